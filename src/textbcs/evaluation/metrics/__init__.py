"""What is measured of one slice: overlap, distances, lesions, probabilities."""
