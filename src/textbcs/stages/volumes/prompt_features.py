"""Stage `prompt_features`: what a network of Table 1 answers to other words than a case's prompt has.

Reads the weights, `data/volumes`, what the first pass found and the embeddings of every prompt; writes
`results/prompt_features/<name>-s<seed>/` (`prompt_check/examined_patients.py`). Nothing is fitted or scored
here: the stage `prompt_check` does that without running a network.
"""

from textbcs.prompt_check.examined_patients import examine_patients as run

__all__ = ["run"]
