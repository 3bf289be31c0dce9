"""A SLURM of one node on the loopback, with its own munge, in one folder: Debian's packages slurm-wlm and munge.

There are two partitions. A job in `urgent` takes the node from a job in `debug`, which goes back to the queue.
`python -m tests.optional.slurm FOLDER` starts one to try things, as root, until Ctrl-C.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "srun")
PATIENCE = 60.0  # [s]

CONFIGURATION = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={first}
SlurmdPort={second}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
KillWait=20
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SlurmUser=root
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/d.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime={grace}
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Why no SLURM can be started here; "" if one can."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if lacking:
        return f"{', '.join(lacking)}: apt install slurm-wlm munge"
    return "" if os.getuid() == 0 else "SLURM's daemons start jobs as root"


@contextmanager
def cluster(folder: Path, grace: int = 0) -> Iterator[dict[str, str]]:
    """Start a SLURM in a folder; yields the environment of its clients. `grace`: how long a job may go on [s]."""
    folder.chmod(0o755)
    for name in ("spool", "state"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    first, second = _free_ports(2)
    text = CONFIGURATION.format(
        host=socket.gethostname().partition(".")[0],
        folder=folder,
        first=first,
        second=second,
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // 2,
        grace=grace,
    )
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    environment = {**own, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    files = [
        f"--{name}={folder}/munge.{ending}"
        for name, ending in (
            ("key-file", "key"),
            ("socket", "socket"),
            ("log-file", "log"),
            ("pid-file", "pid"),
            ("seed-file", "seed"),
        )
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in (["munged", "--foreground", "--force", *files], ["slurmctld", "-D"], ["slurmd", "-D"]):
            with (folder / f"{command[0]}.out").open("wb") as output:
                daemons.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
            if command[0] == "munged":
                until(lambda: (folder / "munge.socket").exists(), "munged does not answer")
        until(lambda: "idle" in asked(environment, "sinfo", "--noheader", "--format=%t"), "the node is not idle")
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root", "--full"], env=environment, check=False, capture_output=True)
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(20.0)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def asked(environment: dict[str, str], *command: str) -> str:
    """What a command of SLURM says; "" if it fails."""
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True).stdout


def until(holds: object, what: str, patience: float = PATIENCE) -> None:
    """Wait until a function returns something true."""
    end = time.monotonic() + patience
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.2)


def _free_ports(number: int) -> Sequence[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


def main(folder: Path) -> None:
    """Start a SLURM in a new folder and keep it until Ctrl-C."""
    if why := missing():
        sys.exit(f"{why}; nothing is started")
    folder.mkdir()
    with cluster(folder) as environment, suppress(KeyboardInterrupt):
        print(f"export SLURM_CONF={environment['SLURM_CONF']}    # in the terminal from which you submit", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
