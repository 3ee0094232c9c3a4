"""What surrounds a stage: its definition, receipt, run information, processes and exit code."""
