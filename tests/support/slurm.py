"""A real SLURM on one node: munged, slurmctld and slurmd on loopback, configured for themselves.

The node has more processors than the machine: workers of the toy objective mostly wait. A job that
queues again starts once its old credential has expired: after 5 s here, 120 s where nobody says so.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import eventually, free_port
from required import missing

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
READY_S = 40.0
NODE = platform.node().split(".")[0]
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=20
MinJobAge=300
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={node} NodeAddr=127.0.0.1 CPUs=8 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes={node} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={node} MaxTime=INFINITE State=UP PriorityTier=9
"""


def require() -> None:
    """Skip the test where no SLURM can be set up."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        missing("slurm", f"no {lacking[0]} was found in PATH: apt install slurm-wlm munge")
    if os.geteuid() != 0:
        missing("slurm", "only root can set up a SLURM of one node")


@contextmanager
def cluster() -> Iterator[Path]:
    """A running SLURM; returns its configuration, which ``SLURM_CONF`` must name."""
    require()
    home = Path(tempfile.mkdtemp(prefix="hpo-slurm-"))
    home.chmod(0o755)
    config = home / "slurm.conf"
    config.write_text(CONFIGURATION.format(node=NODE, home=home, ports=(free_port(), free_port())))
    (home / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
    for name in ("state", "spool"):
        (home / name).mkdir()
    daemons: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "SLURM_CONF": str(config)}

    def start(*command: str) -> None:
        with (home / f"{command[0]}.out").open("wb") as log:
            daemons.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    try:
        _start_munged(home, start)
        start("slurmctld", "-D", "-c", "-f", str(config))
        start("slurmd", "-D", "-f", str(config), "-N", NODE)
        _wait_until_idle(environment, home)
        yield config
    finally:
        subprocess.run(["scancel", "--user=root"], env=environment, check=False)
        _wait_until_empty(environment)
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(home, ignore_errors=True)


def _start_munged(home: Path, start: Callable[..., None]) -> None:
    """A munged of our own: with its own key and socket, beside any other."""
    munge = home / "munge"
    munge.mkdir()
    key = munge / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    start(
        "munged",
        "--foreground",
        "--force",
        f"--socket={home}/munge.socket",
        f"--key-file={key}",
        f"--pid-file={munge}/pid",
        f"--log-file={munge}/log",
        f"--seed-file={munge}/seed",
    )
    eventually((home / "munge.socket").exists, within_s=READY_S)


def _wait_until_idle(environment: dict[str, str], home: Path) -> None:
    def idle() -> bool:
        said = subprocess.run(
            ["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True
        )
        return "idle" in said.stdout.split()

    logs = [home / name for name in ("slurmctld.log", "slurmd.log", "slurmctld.out", "slurmd.out")]
    try:
        eventually(idle, within_s=READY_S)
    except AssertionError as error:
        said = "\n".join(log.read_text()[-2000:] for log in logs if log.exists())
        raise AssertionError(f"{error}\n{said}") from None


def _wait_until_empty(environment: dict[str, str]) -> None:
    def empty() -> bool:
        said = subprocess.run(["squeue", "-h"], env=environment, capture_output=True, text=True)
        return said.returncode != 0 or not said.stdout.strip()

    eventually(empty, within_s=READY_S)
