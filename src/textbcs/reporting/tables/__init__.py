"""Rows, headings and notes of each table."""
