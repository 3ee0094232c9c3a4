"""Whole volumes: what a network says of every slice of a patient, asked as a case is described."""
