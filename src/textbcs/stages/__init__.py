"""One module per stage of dvc.yaml, named as it is there; each has `run(stage, *items)`."""
