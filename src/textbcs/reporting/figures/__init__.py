"""What is drawn in each figure, and the drawing."""
