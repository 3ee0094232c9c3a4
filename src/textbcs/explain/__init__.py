"""Where the networks look: Seg-Grad-CAM, and the quantities that make it evidence."""
