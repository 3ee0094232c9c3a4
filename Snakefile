# Snakemake schedules, DVC judges. Stages are defined in dvc.yaml and only there; the loop below makes a rule
# of each, which runs it through DVC, and DVC says which are stale. Run: snakemake --cores all
import shlex
import sys
from pathlib import Path

sys.path[:0] = [str(Path(workflow.basedir) / folder) for folder in ("workflow", "src")]
from locks import forced_addresses
from resources import gpus, threads
from stages import Stages
from stale_reasons import shorten
from start import begin

from textbcs.commands.track import track_after_run

SESSION = begin(workflow.is_main_process, sys.argv[1:])
STAGES = Stages(SESSION.pipeline)
if workflow.is_main_process:
    said = workflow.output_settings
    whole = said.verbose or said.printshellcmds
    shorten(SESSION.pipeline, lambda: workflow.dryrun, whole, forced_addresses())
# TEXTBCS_JOBS: processes among which a stage may spread its patients (src/textbcs/stage/pool.py).
# Braces in a path are no fields of Snakemake's.
PYTHON = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
RUN_STAGE = (
    "export TEXTBCS_JOBS={threads}; "
    f"exec {PYTHON} {{params.runner}} {{params.address}} {{log}}"
)
for limit, most in SESSION.limits.items():
    workflow.register_resource(limit, most)


report: "workflow/report/workflow.rst"


localrules:
    all,


rule all:
    input:
        STAGES.final(),
    message:
        "everything is up to date"


for stage in STAGES.all():

    rule:
        name:
            stage.name
        input:
            stage.inputs,
        output:
            stage.outputs,
        log:
            stage.log,
        threads: threads(stage.name)
        resources:
            **SESSION.slots(stage.name),
            gpu=gpus(stage.name, SESSION.gpus),
        params:
            address=stage.address,
            runner=SESSION.runner(stage.name),
        message:
            "{params.address}"
        shell:
            RUN_STAGE


onsuccess:
    # A run for a target of its own, or for a part, has not made the reports.
    asked = workflow.dag_settings
    part = asked.until or asked.omit_from or asked.batch
    if not part and any(rule.name == "all" for rule in workflow.dag.targetrules):
        made = [out for out in STAGES.final() if out.startswith("reports/")]
        print("done: " + ", ".join(made), file=sys.stderr)
    track_after_run()


onerror:
    track_after_run()
