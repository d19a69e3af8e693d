"""A SLURM cluster of this one machine, and what brainbench does on it: arrays, dependency, time limit, detached runs, status.

python benchmarks/one_node_slurm.py        as root, with Debian's slurm-wlm and munge installed

Starts munged, slurmctld and slurmd in the foreground with a configuration in a temporary folder, runs a small benchmark on this
machine and on the cluster, compares the bytes of records (but for their cost) and boards, hands in a run that outlives its
command, and one whose job does not fit into its time limit. Exit 1 if something is not as it should be. About six minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

CONF = """\
ClusterName=brainbench
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
CredType=cred/munge
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
SMALL = [
    "--backbones",
    "pixels,random",
    "--encoders",
    "classtoken",
    "--subjects",
    "1,2",
    "--seeds",
    "2",
    "--no-controls",
]
SMALL += ["--set", "demo.images=100", "--set", "classtoken.steps=5"]
# A fit that takes longer than its time limit, by gradients, whose state is kept every few seconds.
LONG = [
    "--backbones",
    "random",
    "--encoders",
    "factortopy",
    "--subjects",
    "1",
    "--no-controls",
    "--set",
    "demo.images=100",
]
LONG += ["--set", "factortopy.channels=gradient"]
ON_SLURM = ["--engine", "slurm", "--set", "slurm.cpus=1", "--set", "slurm.memory=2"]


@contextmanager
def cluster(place: Path) -> Iterator[None]:
    """A cluster of one node, for as long as the block lasts."""
    for name in ("state", "spool"):
        (place / name).mkdir()
    (place / "slurm.conf").write_text(CONF.format(host=socket.gethostname(), place=place))
    (place / "munge.key").write_bytes(os.urandom(128))
    (place / "munge.key").chmod(0o600)
    os.environ["SLURM_CONF"] = str(place / "slurm.conf")
    munge = [f"--{kind}-file={place}/munge.{kind}" for kind in ("key", "pid", "log", "seed")]
    with ExitStack() as running:
        for command in (
            ["munged", "--foreground", "--force", f"--socket={place}/munge.socket", *munge],
            ["slurmctld", "-D"],
            ["slurmd", "-D"],
        ):
            log = running.enter_context((place / f"{command[0]}.log").open("w"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            running.callback(process.wait)
            running.callback(process.terminate)
            time.sleep(1)
        for _ in range(60):
            if "idle" in told("sinfo", "--noheader", "--format=%T"):
                break
            time.sleep(1)
        else:
            raise RuntimeError("the node does not become idle:\n" + (place / "slurmctld.log").read_text()[-2000:])
        yield


def told(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def brainbench(place: Path, *arguments: str) -> str:
    """Run a command with folders in ``place``; return what it says on both channels."""
    folders = ["--results", str(place / "results"), "--leaderboards", str(place / "boards")]
    environment = os.environ | {"BRAINBENCH_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "brainbench", "run", *arguments, *folders]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stderr + done.stdout


def left(place: Path) -> dict[str, object]:
    """Return records without cost and digest, and the bytes of boards."""
    records = {path.name: json.loads(path.read_text()) for path in (place / "results").glob("*.json")}
    found = {name: {**record, "cost": None, "digest": None} for name, record in records.items()}
    return found | {path.name: path.read_bytes() for path in (place / "boards").glob("*")}


def status(place: Path, *arguments: str) -> str:
    """Return what ``brainbench status`` prints."""
    return told(sys.executable, "-m", "brainbench", "status", str(place / "results"), *arguments)


def check(what: str, holds: bool) -> bool:
    """Print whether something is as it should be."""
    print(f"{'ok  ' if holds else 'FAIL'}  {what}", flush=True)
    return holds


def compared(root: Path) -> Iterator[bool]:
    """The same run here and on the cluster."""
    brainbench(root / "here", *SMALL, "--workers", "1")
    started = time.monotonic()
    said = brainbench(root / "there", *SMALL, *ON_SLURM)
    print("\n".join(line for line in said.splitlines() if "handed in" in line))
    yield check(f"two arrays, waited for: {time.monotonic() - started:.0f} s", said.count("handed in as") == 2)
    yield check(
        f"{len(left(root / 'here'))} records and boards: same bytes", left(root / "here") == left(root / "there")
    )


def detached(root: Path) -> Iterator[bool]:
    """A run that outlives its command."""
    started = time.monotonic()
    said = brainbench(root / "detached", *SMALL, *ON_SLURM, "--detach")
    print(said.rstrip())
    first, second = [line.split()[-1] for line in said.splitlines() if "handed in as" in line]
    yield check(f"--detach returns after {time.monotonic() - started:.0f} s, with numbers", first != second)
    waits = told("squeue", "--noheader", f"--jobs={second}", "--format=%E")
    yield check(f"{second} depends on {first}: {waits.split()[:1]}", f"afterany:{first}" in waits)
    print(status(root / "detached").rstrip())
    watched = status(root / "detached", "--watch")
    print(watched.rstrip()[-400:])
    print(brainbench(root / "detached", *SMALL, "--workers", "1").count("already done"), "already done")
    yield check("its records and boards: same bytes", left(root / "here") == left(root / "detached"))


def over_time(root: Path, steps: int) -> Iterator[bool]:
    """A job that does not fit into its limit of two minutes is queued again and goes on."""
    long = [*LONG, "--set", f"factortopy.steps={steps}"]
    started = time.monotonic()
    brainbench(root / "limited", *long, *ON_SLURM, "--set", "slurm.minutes=2")
    took = time.monotonic() - started
    logs = "".join(path.read_text() for path in (root / "limited/results/.runs/slurm").rglob("*_log.*"))
    print("\n".join(line for line in logs.splitlines() if "Requeued job" in line or "timed" in line))
    yield check(f"queued again {logs.count('Requeued job')} times in {took:.0f} s", "Requeued job" in logs)
    brainbench(root / "unlimited", *long, "--workers", "1")
    yield check(
        "its record and boards: those of one undisturbed fit", left(root / "limited") == left(root / "unlimited")
    )


def main() -> int:
    """Start the cluster and go through everything."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if missing or os.geteuid():
        print(f"needs root, and Debian's slurm-wlm and munge; missing: {', '.join(missing) or 'nothing but root'}")
        return 2
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    with tempfile.TemporaryDirectory(prefix="slurm-") as made, cluster(Path(made)):
        print(told("sbatch", "--version").strip())
        root = Path(made)
        holds = [one for part in (compared(root), detached(root), over_time(root, steps)) for one in part]
    return int(not all(holds))


if __name__ == "__main__":
    sys.exit(main())
