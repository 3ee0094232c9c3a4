"""Whole volumes: cut, asked about, scored, in tables and figures."""
