"""`textbcs audit verify`: the checks, from a damaged file to a table that does not follow from its rows."""
