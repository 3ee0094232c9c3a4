"""Scores of whole volumes: every slice of a patient, with a tumour or without."""
