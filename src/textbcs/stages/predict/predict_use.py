"""Stage `predict_use`: the maps of a method for use.

All that it does is `predict`; in dvc.yaml it has a matrix of its own.
"""

from textbcs.stages.predict.predict import run as run
