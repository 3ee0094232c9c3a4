"""Stage `train_use`: one training of a method for use, from tumour-free slices and other prompts too.

All that it does is `train`; in dvc.yaml it has a matrix of its own.
"""

from textbcs.stages.train.train import run as run
