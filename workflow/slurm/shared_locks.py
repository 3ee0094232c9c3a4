"""Whether a lock that one node holds on a file is seen by the others: what the file system's kind tells."""

from pathlib import Path

from textbcs.base.io import InputError

_MOUNTS = Path("/proc/self/mountinfo")
# Options with which a lock stays on its own node.
_LOCAL = {
    "nfs": {"nolock", "local_lock=flock", "local_lock=all"},
    "nfs4": {"local_lock=flock", "local_lock=all"},
    "lustre": {"localflock", "noflock"},
}
HARDLINK = "dvc config --local core.hardlink_lock true"


def check_shared_locks(mounts: Path = _MOUNTS) -> None:
    """Check that DVC's writing of dvc.lock is safe from several nodes.

    Raises:
        InputError: locks stay on their node, and DVC was not told.
    """
    kind, options = mount_of(Path.cwd(), mounts)
    if options & _LOCAL.get(kind, set()) and not _by_hard_links():
        raise InputError(
            f"{Path.cwd()}: on this {kind} file system a lock is not seen by other nodes, and two jobs might "
            f"write dvc.lock at once; do once: {HARDLINK}"
        )


def mount_of(folder: Path, mounts: Path = _MOUNTS) -> tuple[str, set[str]]:
    """Kind of file system and its options, of the mount in which a folder lies."""
    best, found = -1, ("unknown", set[str]())
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].replace("\\040", " ")
        kind, _, options = [*after.split(maxsplit=2), "", ""][:3]
        if folder.is_relative_to(point) and len(point) >= best:
            best, found = len(point), (kind, set(f"{before.split()[5]},{options}".split(",")))
    return found


def _by_hard_links() -> bool:
    """Whether DVC was told to lock by hard links, which every file system shares."""
    import configparser

    settings = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        settings.read([Path(".dvc/config"), Path(".dvc/config.local")])
        return settings.getboolean("core", "hardlink_lock", fallback=False)
    except (configparser.Error, ValueError):
        return False
