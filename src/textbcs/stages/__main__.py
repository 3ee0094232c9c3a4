"""Start one stage: `python -m textbcs.stages NAME [ITEM...]`, which `workflow/stage` runs.

A stage is the module of its name in one of the folders here. What it may read, write and see of the
parameters stands in `dvc.yaml`.
"""

import os
import sys
from collections.abc import Sequence

from textbcs.base.io import InputError
from textbcs.settings.params import load_params, select
from textbcs.stage import gpu
from textbcs.stage.command import exit_code
from textbcs.stage.definition import Makers, define, define_all, read_stages
from textbcs.stage.process import die_with_parent
from textbcs.stage.receipt import Stage
from textbcs.stage.slurm_jobs import BY_SNAKEMAKE, refuse_beside_slurm_jobs
from textbcs.stage.stage_lock import hold_stage_lock
from textbcs.stages.modules import module_of


def run_stage(name: str, items: Sequence[str]) -> None:
    """Run one stage as `dvc.yaml` defines it and leave its receipt.

    Raises:
        InputError: the parameters or an input are faulty.
    """
    if not os.environ.get(BY_SNAKEMAKE):
        refuse_beside_slurm_jobs()
    values = load_params()
    stages = read_stages()
    definition = define(name, tuple(items), values, stages)
    own = select(values, definition.keys)

    def makers() -> Makers:
        return Makers(define_all(values, stages))

    hold_stage_lock(definition.address)
    computes = gpu.computes_on_device(definition.keys, definition.inputs)
    gpu.allocate(computes and gpu.on_device(own))
    try:
        with Stage(definition, own, [name, *items], makers) as stage:
            module_of(name).run(stage, *items)
    except InputError as error:
        from textbcs.archives.raw_files import own_names

        raise InputError(own_names(str(error), own)) from error


def main(argv: Sequence[str]) -> int:
    """Run the stage that the command line names."""
    if not argv:
        print("usage: workflow/stage NAME [ITEM...], as dvc.yaml calls it", file=sys.stderr)
        return 2
    die_with_parent()
    return exit_code(lambda: run_stage(argv[0], argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
