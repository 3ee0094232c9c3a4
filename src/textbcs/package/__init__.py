"""A trained model as one folder, or one zip, that others can run: what it holds, how it is made and read."""
