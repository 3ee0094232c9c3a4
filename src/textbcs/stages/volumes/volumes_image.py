"""Stage `volumes_image`: what a network of Table 1 that reads no text says of whole volumes.

Reads the weights and `data/volumes`; writes `results/volumes/<name>-s<seed>/{val,test}/<patient>.safetensors`
(`volumes/coded_maps.py` says how the maps are kept).
"""

from textbcs.volumes.predicted_patients import predict_patients as run

__all__ = ["run"]
