"""The commands that use a trained model: pack it, ask it about a new study."""
