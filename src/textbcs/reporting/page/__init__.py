"""The page `reports/index.html`: one file with tables, figures and a slice viewer."""
