"""From masked volumes to per-split 2-D slices: the patient-level split, extraction, the shards."""
