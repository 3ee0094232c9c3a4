"""`textbcs audit replay`: stages run again in a scratch folder, and what they then write."""
