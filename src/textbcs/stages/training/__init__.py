"""What comes before a training: first weights, and the choice of its rate."""
