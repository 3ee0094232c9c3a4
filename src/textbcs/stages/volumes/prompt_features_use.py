"""Stage `prompt_features_use`: the same of a network for use that reads text.

All that it does is `prompt_features`; in dvc.yaml it has a matrix of its own.
"""

from textbcs.prompt_check.examined_patients import examine_patients as run

__all__ = ["run"]
