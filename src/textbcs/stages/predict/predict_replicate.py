"""Stage `predict_replicate`: the maps of a training with another seed.

All that it does is `predict`; in dvc.yaml it has a matrix of its own.
"""

from textbcs.stages.predict.predict import run as run
