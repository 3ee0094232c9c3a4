"""Stage `volumes_first`: the first pass on whole volumes, a network for use that reads no text.

As `volumes_image`. The automatic prompts are read off what it finds (`volume_prompts`).
"""

from textbcs.volumes.predicted_patients import predict_patients as run

__all__ = ["run"]
