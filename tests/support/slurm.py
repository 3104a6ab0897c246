"""A real SLURM on one node: munged, slurmctld and slurmd on loopback, configured for
themselves.

The node has more processors than the machine: workers of the toy objective mostly wait.
A job that queues again starts once its old credential has expired: after 5 s here, 120
s where nobody says so.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import free_port
from required import missing
from workers import wait_until

PROGRAMS = (
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "squeue",
    "scontrol",
    "scancel",
    "sinfo",
)
READY_S = 40.0
NODE = platform.node().split(".")[0]
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket,cred_expire=5
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=20
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
        missing(
            "slurm", f"no {lacking[0]} was found in PATH: apt install slurm-wlm munge"
        )
    if os.geteuid() != 0:
        missing("slurm", "only root can set up a SLURM of one node")


@contextmanager
def cluster() -> Iterator[Path]:
    """A running SLURM; returns its configuration, which ``SLURM_CONF`` must name."""
    require()
    home = Path(tempfile.mkdtemp(prefix="hpo-slurm-"))
    home.chmod(0o755)
    for name in ("munge", "state", "spool"):
        (home / name).mkdir(mode=0o755)
    config, key = home / "slurm.conf", home / "munge/key"
    config.write_text(
        CONFIGURATION.format(node=NODE, home=home, ports=(free_port(), free_port()))
    )
    (home / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    files = [
        f"--{name}-file={home}/munge/{name}" for name in ("key", "pid", "log", "seed")
    ]
    environment = {**os.environ, "SLURM_CONF": str(config)}
    daemons: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        with (home / f"{command[0]}.out").open("wb") as log:
            daemons.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            )

    def said(*command: str) -> str:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True
        ).stdout

    try:
        start(
            "munged", "--foreground", "--force", f"--socket={home}/munge.socket", *files
        )
        wait_until((home / "munge.socket").exists)
        start("slurmctld", "-D", "-c", "-f", str(config))
        start("slurmd", "-D", "-f", str(config), "-N", NODE)
        try:
            wait_until(lambda: "idle" in said("sinfo", "-h", "-o", "%t"), READY_S)
        except AssertionError as error:
            logs = [
                log.read_text()[-2000:]
                for log in (*home.glob("*.log"), *home.glob("*.out"))
            ]
            raise AssertionError("\n".join(logs)) from error
        yield config
    finally:
        said("scancel", "--user=root")
        wait_until(lambda: not said("squeue", "-h").strip(), READY_S)
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(home, ignore_errors=True)
