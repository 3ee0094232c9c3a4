"""Stage `volumes_use`: the networks for use that read text, on whole volumes.

All that it does is `volumes_text`; in dvc.yaml it has a matrix of its own.
"""

from textbcs.volumes.predicted_patients import predict_patients as run

__all__ = ["run"]
