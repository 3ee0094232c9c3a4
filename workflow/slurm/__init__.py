"""Stages as jobs of Slurm: what is submitted, with what, and what became of it."""
