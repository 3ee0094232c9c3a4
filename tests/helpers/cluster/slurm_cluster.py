"""A real Slurm on this machine: munged, one slurmctld and two slurmds on loopback, in a folder of their own.

Node `b` has no GPU, node `a` two that are only counted. There is no accounting; memory is enforced by
polling. Jobs of the partition `urgent` take the place of others.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "sinfo", "scancel")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=1,sched_interval=1
MessageTimeout=3
MinJobAge=300
KillWait=1
OverTimeLimit=0
NodeName=a NodeHostname={host} NodeAddr=127.0.0.1 Port={a} CPUs=16 RealMemory=60000 Gres=gpu:2
NodeName=b NodeHostname={host} NodeAddr=127.0.0.1 Port={b} CPUs={cpus} RealMemory=60000
PartitionName=cpu Nodes=b Default=YES MaxTime=600
PartitionName=gpu Nodes=a MaxTime=600
PartitionName=urgent Nodes=b PriorityTier=2
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
"""


def why_not() -> str:
    """Why no Slurm can be started here; empty where one can."""
    if os.getuid():
        return "Slurm's daemons need root"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    return f"needs {', '.join(missing)} (Debian: slurm-wlm, munge)" if missing else ""


class SlurmCluster:
    """The daemons, and what a user would type there."""

    def __init__(self, folder: Path, cpus: int = 16) -> None:
        """Prepare it in an empty folder; `cpus` are those of the node without a GPU."""
        self.folder, self.cpus = folder, cpus
        self.settings = folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What a user's programs need to find this Slurm."""
        return {"SLURM_CONF": str(self.settings)}

    @contextlib.contextmanager
    def running(self) -> Iterator["SlurmCluster"]:
        """Start everything; at the end everything is gone."""
        try:
            self._configure()
            self._munge()
            self.start("slurmctld", "-D")
            for node in "ab":
                self.start("slurmd", "-D", "-N", node)
            self.wait_until_idle()
            yield self
        finally:
            for name in list(self._daemons):
                self.stop(name)

    def start(self, *command: str) -> None:
        """Start a daemon in the foreground; its name is its command."""
        environment = {**os.environ, **self.environment}
        environment["PATH"] = environment.get("PATH", "") + ":/usr/sbin:/sbin"
        with (self.folder / f"{command[0]}.out").open("ab") as output:
            self._daemons[" ".join(command)] = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def stop(self, name: str, how: int = signal.SIGTERM) -> None:
        """End a daemon; of a node also what it had running."""
        process = self._daemons.pop(name)
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask(self, *command: str, ok: bool = True) -> str:
        """Run a program of Slurm; what it prints."""
        return subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=ok,
            timeout=60,
        ).stdout

    def jobs(self) -> dict[str, tuple[str, str]]:
        """Name and state of each job that is not over, by number."""
        rows = [
            line.split("|") for line in self.ask("squeue", "-h", "--format=%i|%j|%T").splitlines()
        ]
        return {job: (name, state) for job, name, state in rows}

    def wait_for(self, name: str, state: str = "RUNNING", seconds: float = 60) -> str:
        """Wait until a job of this name is in this state; its number."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            for job, found in self.jobs().items():
                if found == (name, state):
                    return job
            time.sleep(0.2)
        raise AssertionError(f"no job {name} {state} within {seconds} s: {self.jobs()}")

    def wait_until_empty(self, seconds: float = 60) -> None:
        """Wait until no job waits or runs."""
        limit = time.monotonic() + seconds
        while self.jobs():
            assert time.monotonic() < limit, self.jobs()
            time.sleep(0.2)

    def wait_until_answers(self, seconds: float = 30) -> None:
        """Wait until the controller is up again."""
        limit = time.monotonic() + seconds
        while not self.ask("sinfo", "-h", ok=False):
            assert time.monotonic() < limit
            time.sleep(0.2)

    def wait_until_idle(self, seconds: float = 30) -> None:
        """Wait until both nodes take jobs."""
        limit = time.monotonic() + seconds
        while set(self.ask("sinfo", "-hN", "-o", "%T", ok=False).split()) != {"idle"}:
            assert time.monotonic() < limit, (self.folder / "slurmctld.log").read_text()[-3000:]
            time.sleep(0.2)

    def _configure(self) -> None:
        host = socket.gethostname().partition(".")[0]
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        controller, a, b = (opened.getsockname()[1] for opened in sockets)
        for opened in sockets:
            opened.close()
        text = CONFIGURATION.format(
            folder=self.folder, host=host, controller=controller, a=a, b=b, cpus=self.cpus
        )
        self.settings.write_text(text)
        (self.folder / "gres.conf").write_text(
            "NodeName=a Name=gpu File=/dev/null\nNodeName=a Name=gpu File=/dev/zero\n"
        )
        (self.folder / "state").mkdir()
        for node in "ab":
            (self.folder / f"spool-{node}").mkdir()

    def _munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = [f"--{name}-file={self.folder}/munged.{name}" for name in ("pid", "log", "seed")]
        self.start(
            "munged",
            "-F",
            "--force",
            f"--socket={self.folder}/munge.sock",
            f"--key-file={key}",
            *files,
        )
        limit = time.monotonic() + 10
        while not (self.folder / "munge.sock").exists():
            assert time.monotonic() < limit, (self.folder / "munged.out").read_text()
            time.sleep(0.05)
