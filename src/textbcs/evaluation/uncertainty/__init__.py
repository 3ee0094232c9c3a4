"""Whether probabilities and uncertainty can be believed: calibration, error detection, selection."""
