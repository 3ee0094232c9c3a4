"""Stage `predict_variant`: the maps of a changed TextBCS.

All that it does is `predict`; in dvc.yaml it has a matrix of its own.
"""

from textbcs.stages.predict.predict import run as run
