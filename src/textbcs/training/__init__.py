"""Training: one plain loop for every method in the registry."""
