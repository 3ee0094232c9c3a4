"""`textbcs audit export`: the run as an RO-Crate."""
