"""Stage `volumes_text`: what a network of Table 1 that reads text says of whole volumes, by the prompt's
source.

As `volumes_image`, and reads the cases' prompts (`data/volumes/prompts.csv`) and the test slices' own
(`data/prompts/test.csv`) with their embeddings.
"""

from textbcs.volumes.predicted_patients import predict_patients as run

__all__ = ["run"]
