"""The page `reports/index.html`: one file with tables, figures and viewers for slices and whole volumes."""
