"""A model in use: the outline of a new study, what it measures, and the files that viewers open."""
