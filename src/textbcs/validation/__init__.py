"""Packaged models held against a folder of studies that have masks: what a model is worth elsewhere."""
