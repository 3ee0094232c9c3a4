"""Initial weights: published ones, and own contrastive pre-training."""
