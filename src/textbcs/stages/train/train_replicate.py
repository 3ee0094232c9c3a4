"""Stage `train_replicate`: one training more of a row that the claims are about, with another seed.

All that it does is `train`; in dvc.yaml it has a matrix of its own.
"""

from textbcs.stages.train.train import run as run
