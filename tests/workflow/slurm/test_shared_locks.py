"""Locks that other nodes do not see are told from those that they do, by the mount's options."""

from pathlib import Path

import pytest
from slurm import shared_locks

from textbcs.base.io import InputError


def mounts(place: Path, kind: str, options: str) -> Path:
    table = place / "mountinfo"
    table.write_text(
        "22 1 0:21 / / rw,relatime - ext4 /dev/sda rw\n"
        f"40 22 0:40 / {place} rw,relatime shared:1 - {kind} server:/home rw,{options}\n"
    )
    return table


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("nfs", "nolock"),
        ("nfs", "vers=3,local_lock=all"),
        ("nfs4", "local_lock=flock"),
        ("lustre", "localflock"),
    ],
)
def test_local_locks_stop_the_start_until_dvc_knows(here: Path, kind: str, options: str) -> None:
    table = mounts(here, kind, options)
    with pytest.raises(InputError, match="dvc config --local core.hardlink_lock true"):
        shared_locks.check_shared_locks(table)
    (here / ".dvc").mkdir()
    (here / ".dvc/config.local").write_text("[core]\n    hardlink_lock = true\n")
    shared_locks.check_shared_locks(table)


@pytest.mark.parametrize(
    ("kind", "options"), [("nfs4", "local_lock=none"), ("lustre", "flock"), ("ext4", "relatime")]
)
def test_common_locks_do_not(here: Path, kind: str, options: str) -> None:
    shared_locks.check_shared_locks(mounts(here, kind, options))
