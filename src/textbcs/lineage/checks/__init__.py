"""One module a group of fault classes; each check takes the state of a tree and yields findings."""
