"""Aggregates, intervals and tests over patients."""
