"""`textbcs audit diff`: which cells differ between two revisions, and what changed first."""
