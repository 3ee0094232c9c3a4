"""`textbcs serve`: a page on which a study is scrolled and asked with one prompt after another."""
