"""From prompts to token embeddings, computed once per distinct text."""
