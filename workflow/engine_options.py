"""Options of Snakemake: which only look, which are refused, and which stages are to run whatever DVC says.

An option that would do nothing here, or would hide what is stale, is refused with what to do instead. What
every option does is the table of docs/reference/engine_options.md.
"""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from snakemake.settings.enums import RerunTrigger
from snakemake.settings.types import SharedFSUsage
from stale import Pipeline

from textbcs.base.io import InputError

# Snakemake's options that look and do not execute, by their names in its parser. A test compares them
# with the parser, so that a new version cannot add one unnoticed.
READ_ONLY = (
    "dryrun", "dag", "rulegraph", "filegraph", "d3dag", "summary", "detailed_summary", "lint",
    "list_rules", "list_target_rules", "list_changes", "list_input_changes", "list_params_changes",
    "list_untracked", "print_compilation", "report", "containerize", "generate_unit_tests",
    "archive", "unlock", "list_conda_envs",
)  # fmt: skip

_PARAMS = "the values of a run stand in params.yaml: change them there, or with textbcs use PRESET"
_JUDGE = "DVC decides by content what is stale, and this would hide some of it; leave it out"
_PLACE = "the jobs work in this checkout and nowhere else; leave it out"
_ENVIRONMENT = "the stages run in the environment that runs snakemake; leave it out"
_NO_RULE = "no rule of this workflow would do anything else for it; leave it out"

# What is refused where it is given, by its name in Snakemake's parser, and why.
REFUSED: Mapping[str, str] = {
    "touch": (
        "it would bless stale files; DVC decides by content, so there is nothing to touch; leave it out"
    ),
    "all_temp": "it would delete the results; leave it out",
    "immediate_submit": "a stage needs what others have made before it starts; leave it out",
    "export_cwl": "a run is exported by textbcs audit export",
    **dict.fromkeys(("config", "configfile", "replace_workflow_config"), _PARAMS),
    **dict.fromkeys(
        ("consider_ancient", "ignore_incomplete", "omit_flags", "trust_io_cache", "cache",
         "allowed_rules"),
        _JUDGE,
    ),
    **dict.fromkeys(
        ("default_storage_provider", "default_storage_prefix", "not_retrieve_storage",
         "keep_storage_local_copies", "job_deploy_sources", "shadow_prefix"),
        _PLACE,
    ),
    **dict.fromkeys(
        ("software_deployment_method", "use_conda", "use_apptainer", "use_envmodules", "conda_prefix",
         "conda_base_path", "conda_cleanup_envs", "conda_create_envs_only", "apptainer_prefix",
         "apptainer_args", "container_cleanup_images", "conda_not_block_search_path_envvars"),
        _ENVIRONMENT,
    ),
    **dict.fromkeys(
        ("set_scatter", "wrapper_prefix", "draft_notebook", "edit_notebook", "benchmark_extended",
         "no_subworkflows"),
        _NO_RULE,
    ),
}  # fmt: skip


def reads_only(options: argparse.Namespace) -> bool:
    """Whether this invocation of Snakemake executes nothing."""
    if options.report and options.report_after_run:
        return False
    looks = any(getattr(options, name) not in (None, False) for name in READ_ONLY)
    return looks or options.executor == "dryrun"


def check_options(options: argparse.Namespace) -> None:
    """Refuse what would break the agreement with DVC, or would do nothing.

    Raises:
        InputError: the settings of profiles/default are missing, or an option is refused.
    """
    if not Path("dvc.yaml").exists():
        raise InputError("no dvc.yaml in this folder; run snakemake in the root of the repository")
    if options.executor == "touch":
        options.touch = True
    if options.executor == "slurm":
        raise InputError(
            "snakemake --executor slurm: profiles/slurm submits the stages without a plugin; leave it out"
        )
    for name, reason in REFUSED.items():
        if getattr(options, name, None) not in (None, False, "") and _given(getattr(options, name)):
            raise InputError(f"snakemake --{name.replace('_', '-')}: {reason}")
    settings = {
        "rerun-triggers: [mtime]": set(options.rerun_triggers) == {RerunTrigger.MTIME},
        "rerun-incomplete: true": bool(options.rerun_incomplete),
        "nolock: true": bool(options.nolock),
    }
    missing = [name for name, given in settings.items() if not given]
    if missing:
        raise InputError(
            f"the settings of profiles/default/config.yaml are not in force ({missing[0]}); run "
            "snakemake in the root of the repository, without --workflow-profile none"
        )
    shared = {SharedFSUsage.INPUT_OUTPUT, SharedFSUsage.PERSISTENCE, SharedFSUsage.SOURCES}
    if not shared <= set(options.shared_fs_usage):
        raise InputError(f"snakemake --shared-fs-usage: {_PLACE}")


def forced(options: argparse.Namespace, pipeline: Pipeline) -> frozenset[str]:
    """Addresses of the stages that are to run whatever DVC says: `--forceall`, `--forcerun`, `--force`.

    Args:
        options: Snakemake's.
        pipeline: the stages.
    """
    if options.forceall:
        return frozenset(pipeline.stages)
    named = set(options.forcerun)
    if options.force:
        named |= set(options.targets) or pipeline.ends
    return frozenset(
        address for address, facts in pipeline.stages.items() if _names(named, address, facts.outs)
    )


def _names(targets: Iterable[str], address: str, outs: Iterable[str]) -> bool:
    """Whether one of the targets is a stage's rule, the stage, or one of its outs."""
    known = {address, address.partition("@")[0], *outs}
    return any(target in known or PurePosixPath(target).as_posix() in known for target in targets)


def _given(value: object) -> bool:
    """Whether an option has a value: Snakemake's own for none are empty collections."""
    return not hasattr(value, "__len__") or len(value) > 0
