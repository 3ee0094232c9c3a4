"""A temporary git repository with the pipeline in it, and what a user would type there."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from ruamel.yaml import YAML

SOURCE = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TOY = SOURCE / "tests/dag/toy"

# What a checkout needs to run; the rest of the project (tests, docs) is left out.
NEEDED = (
    "Snakefile", "dvc.yaml", "params.yaml", "pyproject.toml", "requirements.lock", ".gitignore",
    ".dvcignore", ".dvc/", "presets/", "profiles/", "workflow/", "src/", "data/", "results/",
    "benchmarks/results/coverage.json",
)  # fmt: skip


class Checkout:
    """A clone of the project and its environment, apart from the developer's own."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.home = home

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the developer's environment but what starts programs; no activated venv."""
        kept = {
            key: os.environ[key] for key in ("PATH", "TMPDIR", "SYSTEMROOT") if key in os.environ
        }
        return kept | {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "DVC_SITE_CACHE_DIR": str(self.home / "dvc-site"),
            "DVC_GLOBAL_CONFIG_DIR": str(self.home / "dvc-global"),
            "DVC_SYSTEM_CONFIG_DIR": str(self.home / "dvc-system"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "TEXTBCS_TRACKING": "off",  # it costs seconds; tests/dag/test_tracking.py switches it on
            "GIT_AUTHOR_NAME": "test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
        }

    def run(self, *command: str, ok: bool = True, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command here; `extra` are environment variables. Fails the test if the command does."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | extra,
            capture_output=True,
            text=True,
            timeout=2400,  # the whole pipeline, on a busy machine
            check=False,
        )
        assert not ok or done.returncode == 0, (
            f"{command}\n{done.stdout}\n{done.stderr}{self.logs()}"
        )
        return done

    def git(self, *arguments: str) -> str:
        """Run git and return what it prints."""
        return self.run("git", *arguments).stdout

    def dvc(self, *arguments: str, **extra: str) -> str:
        """Run DVC and return what it prints."""
        return self.run(str(BIN / "dvc"), *arguments, **extra).stdout

    def dvc_is_stuck(self) -> bool:
        """Whether `dvc status` fails."""
        return self.run(str(BIN / "dvc"), "status", ok=False).returncode != 0

    def snakemake(
        self, *arguments: str, ok: bool = True, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user would, on two cores unless told otherwise."""
        cores = () if {"--cores", "-n", "--executor"} & set(arguments) else ("--cores", "2")
        return self.run(str(BIN / "snakemake"), *cores, *arguments, ok=ok, **extra)

    def ran(self, *arguments: str, **extra: str) -> list[str]:
        """Run Snakemake; return the addresses of the stages whose commands were really executed."""
        shutil.rmtree(self.root / "logs", ignore_errors=True)
        self.snakemake(*arguments, **extra)
        return executed(self.logs())

    def ran_by_dvc(self, **extra: str) -> list[str]:
        """Run `dvc repro`; return the addresses of the stages whose commands were really executed."""
        return executed(self.dvc("repro", **extra))

    def is_clean(self) -> bool:
        """Whether both engines say that there is nothing to do."""
        idle = "Nothing to be done" in self.snakemake().stderr
        return idle and "are up to date" in self.dvc("repro")

    def logs(self) -> str:
        """Every job's log."""
        files = sorted((self.root / "logs").rglob("*.log"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    def hashes(self) -> dict[str, str]:
        """The sha256 of every output file, by path."""
        folders = ("data", "results", "reports")
        files = [
            path for folder in folders for path in (self.root / folder).rglob("*") if path.is_file()
        ]
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(files)
            if path.name not in ("README.md", ".gitignore", ".snakemake_timestamp")
            and not {"runinfo", "ledger"} & set(path.parts)  # say when and where, which differs
        }

    def set_param(self, key: str, value: object) -> None:
        """Set a dotted key of params.yaml; it must exist and have another value."""
        yaml = YAML()
        file = self.root / "params.yaml"
        params = yaml.load(file)
        *sections, name = key.split(".")
        node = params
        for section in sections:
            node = node[section]
        assert node[name] != value, f"{key} is {value!r} already"
        node[name] = value
        yaml.dump(params, file)

    def reduce(self) -> None:
        """Leave the baseline, the proposed method and two rows of its ablation."""
        self.set_param("tables.table1", ["unet", "textbcs"])
        self.set_param("tables.variants", ["ablation_none", "ablation_svli"])
        self.set_param("tables.for_use", [])
        self.set_param("robustness.methods", ["textbcs"])
        self.set_param("volumes.methods", {"image": ["unet"], "text": ["textbcs"]})
        self.set_param("volumes.variants", {"image": [], "text": []})
        self.set_param("volumes.first_pass", "unet")

    @contextlib.contextmanager
    def running(self, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
        """A run of Snakemake in a process group of its own; killed at the end if it still lives."""
        process = subprocess.Popen(
            [str(BIN / "snakemake"), "--cores", "2", *arguments],
            cwd=self.root,
            env=self.environment | extra,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def processes(self) -> list[psutil.Process]:
        """Every process whose working directory is this checkout."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self.root:
                    found.append(process)
        return found

    def wait_for(self, *parts: str, seconds: float = 60) -> psutil.Process:
        """Wait until a process of this checkout has all `parts` in its command line."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            for process in self.processes():
                with contextlib.suppress(psutil.Error):
                    if set(parts) <= set(process.cmdline()):
                        return process
            time.sleep(0.02)
        raise AssertionError(f"no process {parts} within {seconds} s")


def executed(text: str) -> list[str]:
    """The addresses that DVC has announced to run (not those that it skipped or restored)."""
    return sorted(set(re.findall(r"Running stage '([^']+)'", text)))


def create(root: Path, home: Path, toy: bool) -> Checkout:
    """A repository with the project's working files and the tiny preset; with toy stages, or the real."""
    listing = ["git", "ls-files", "-co", "--exclude-standard", *NEEDED]
    names = subprocess.run(listing, cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (SOURCE / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(SOURCE / name, root / name)
    (root / "dvc.lock").unlink(missing_ok=True)
    home.mkdir(exist_ok=True)
    checkout = Checkout(root, home)
    checkout.run(sys.executable, "-m", "textbcs.cli", "use", "tiny", PYTHONPATH=str(root / "src"))
    if toy:
        shutil.copy2(TOY / "dvc.yaml", root / "dvc.yaml")
        shutil.copy2(TOY / "stages.py", root / "src/textbcs/stages/__main__.py")
        checkout.reduce()
    checkout.git("init", "-q", "-b", "main")
    checkout.git("add", "-A")
    checkout.git("commit", "-qm", "start")
    return _with_venv(checkout)


def copy(origin: Checkout, root: Path) -> Checkout:
    """A copy with cache and results: real copies, so that no test can touch another's files."""
    shutil.copytree(origin.root, root, symlinks=True)
    return Checkout(root, origin.home)


def clone(origin: Checkout, root: Path) -> Checkout:
    """A fresh clone: no cache, no results."""
    origin.git("clone", "-q", str(origin.root), str(root))
    return _with_venv(Checkout(root, origin.home))


def _with_venv(checkout: Checkout) -> Checkout:
    """Give a checkout the environment that `make` would set up: what plain `dvc repro` runs stages with."""
    (checkout.root / ".venv").symlink_to(sys.prefix)
    (checkout.root / ".git/info/exclude").write_text("/.venv\n")
    return checkout
