"""A real Slurm cluster of two nodes on this machine, for the tests and for a first look: `make slurm-up`, `make slurm-down`.

Needs Debian's `slurm-wlm` and `munge`, and root, who alone may start other users' jobs. All it writes is in one folder; the keys are its own.
"""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
PORT = 17000
CONF = """\
ClusterName=local
SlurmctldHost=localhost
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
ReturnToService=2
JobRequeue=1
MinJobAge=3600
FirstJobId={first}
KillWait=30
MailProg=/bin/true
NodeName=node1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={node1} CPUs={cpus} RealMemory={memory}
NodeName=node2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={node2} CPUs={cpus} RealMemory={memory}
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def missing() -> str | None:
    """Why there can be no cluster here, or `None`."""
    if gone := [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]:
        return f"no {gone[0]} here (apt-get install slurm-wlm munge)"
    return None if os.geteuid() == 0 else "only root can start a cluster"


def up(folder: Path) -> dict[str, str]:
    """Starts it, and waits until both nodes are idle; returns the environment in which `sbatch` finds it."""
    if why := missing():
        raise SystemExit(why)
    for name in ("state", "node1", "node2"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // 2
    ports = {"port": PORT, "node1": PORT + 1, "node2": PORT + 2}
    conf = folder / "slurm.conf"
    first = 1 + secrets.randbelow(60_000_000)  # logs, which are named after jobs, are those of this cluster alone
    conf.write_text(CONF.format(folder=folder, user="root", first=first, cpus=os.cpu_count(), memory=memory, **ports))
    env = {"SLURM_CONF": str(conf)}
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    try:
        start(folder, "munged", "--force", f"--socket={folder}/munge.socket", *munge)
        start(folder, "slurmctld", "-c", env=env)
        for node in ("node1", "node2"):
            start(folder, "slurmd", "-N", node, "-c", env=env)
    except SystemExit:  # those that were started before
        down(folder)
        raise
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = subprocess.run(
            ["sinfo", "-h", "-o", "%T %D"], env=os.environ | env, capture_output=True, text=True
        ).stdout.split()
        if told == ["idle", "2"]:
            return env
        time.sleep(0.2)
    down(folder)
    raise SystemExit(f"the cluster does not come up; see the logs in {folder}")


def start(folder: Path, *command: str, env: dict[str, str] | None = None):
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    with (folder / "start.log").open("a") as log:
        status = subprocess.run(
            command, env=os.environ | (env or {}) | {"PATH": path}, stdout=log, stderr=log
        ).returncode
    if status:
        raise SystemExit(f"{command[0]}: status {status}\n{(folder / 'start.log').read_text()}")


def down(folder: Path):
    """Ends its jobs and then its daemons, those that this folder names."""
    conf = folder / "slurm.conf"
    if not conf.exists():
        return
    subprocess.run(
        ["scancel", "-u", "root", "--full"], env=os.environ | {"SLURM_CONF": str(conf)}, capture_output=True
    )
    for name in ("node1.pid", "node2.pid", "slurmctld.pid", "munge.pid"):
        path = folder / name
        if path.exists() and (number := path.read_text().strip()):
            try:
                os.kill(int(number), signal.SIGTERM)
            except ProcessLookupError:
                pass
            for _ in range(100):
                if not Path(f"/proc/{number}").exists():
                    break
                time.sleep(0.1)
    conf.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["up", "down"])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/open_r1-slurm"))
    args = parser.parse_args()
    if args.what == "down":
        down(args.folder.resolve())
        return
    env = up(args.folder.resolve())
    sys.stdout.write(
        "two idle nodes; in the shell that submits:\n" + "".join(f"  export {k}={v}\n" for k, v in env.items())
    )


if __name__ == "__main__":
    main()
