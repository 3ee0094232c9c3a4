"""What a trained network says of slices: its maps, their uncertainty, and how they are stored."""
