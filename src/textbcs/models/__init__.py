"""Segmentation networks: one registry, one contract, one file per architecture."""
