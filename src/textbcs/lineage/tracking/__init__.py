"""MLflow as a view of what the stages have left: never a source, so losing it loses nothing.

`sources.py` finds the receipts, `runs.py` and `measures.py` make a run of each, `database.py` writes
them into MLflow's database, `apart.py` does that in a process of its own, `view.py` opens the pages.

No stage knows of it. Importing MLflow costs 2 s of CPU time and a new database another 2 s, and a
finished pipeline has some 150 stages: tracking inside each would cost several minutes and could fail a
training. So one process writes all runs from the receipts, when Snakemake has finished, when the pages
are opened, and while they are open. `track rebuild` is the same on an empty database.
"""
