"""From masked volumes to 2-D slices: the split of patients, the cutting, the square grid."""
