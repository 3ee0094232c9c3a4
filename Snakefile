# Snakemake schedules, DVC judges. Stages are defined in dvc.yaml and only there; each rule runs one of
# them through DVC, and DVC says which are stale (docs/engines.md). Run: snakemake --cores all
import sys
from pathlib import Path

sys.path[:0] = [str(Path(workflow.basedir) / folder) for folder in ("workflow", "src")]
from stages import Stages
from start import begin

from textbcs.lineage.tracking.commands import track_after_run

SESSION = begin(workflow.is_main_process, sys.argv[1:])
STAGES = Stages(SESSION.pipeline)
# TEXTBCS_JOBS: processes among which a stage may spread its patients (src/textbcs/pool.py).
RUN_STAGE = (
    "export TEXTBCS_JOBS={threads}; "
    f"exec {sys.executable} workflow/run_stage.py {{params.address}} {{log}}"
)


report: "workflow/report/workflow.rst"


localrules:
    all,


rule all:
    input:
        STAGES.final(),
    message:
        "everything is up to date"


include: "workflow/rules/cohort.smk"
include: "workflow/rules/slices.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/reporting.smk"


STAGES.check_complete()


onsuccess:
    # A run for a target of its own has not made the reports.
    if any(rule.name == "all" for rule in workflow.dag.targetrules):
        made = [out for out in STAGES.final() if out.startswith("reports/")]
        print("done: " + ", ".join(made), file=sys.stderr)
    track_after_run()


onerror:
    track_after_run()
