"""What tables, figures and the page share: names, notes, and the forms of a table."""
