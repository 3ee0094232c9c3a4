"""Stage `train_variant`: one training of a changed TextBCS.

That is a row of the ablation, a cell of the sweep, or our own row. All that it does is `train`; in dvc.yaml
it has a matrix of its own.
"""

from textbcs.stages.train.train import run as run
