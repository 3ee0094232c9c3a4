"""A new study: a DICOM folder or a volume file as the image that a trained network is shown."""
