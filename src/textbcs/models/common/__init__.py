"""What methods share: the contract, the registry, losses, heads and building blocks."""
