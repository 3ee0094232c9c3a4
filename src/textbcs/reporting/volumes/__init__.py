"""Whole volumes in print: tables and figures of every slice of the test patients."""
