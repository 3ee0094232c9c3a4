"""Stages that score what networks predicted, compare it and explain it."""
