"""Files that people bring: what may be wrong with them, said in one line that names the file."""
