"""From a cell of a table back to DICOM instances, and how a cell follows from per-slice rows."""
