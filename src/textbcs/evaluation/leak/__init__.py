"""How much a prompt tells of the mask before any image is looked at."""
