"""A real Slurm cluster of two nodes on this machine, for tests and experiments (`make slurm-up`, `make slurm-down`).

It needs the Debian packages `slurm-wlm` and `munge`, and root, since only root can start jobs of other users. All its
files, including its keys, are in one folder.
"""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
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


def find_obstacle() -> str | None:
    """The reason why no cluster can be started here, or `None`."""
    for name in PROGRAMS:
        if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            return f"{name} is not installed (apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "only root can start a cluster"
    return None


def up(folder: Path) -> dict[str, str]:
    """Starts the cluster and waits until both nodes are idle; returns the environment in which `sbatch` finds it."""
    reason = find_obstacle()
    if reason:
        raise SystemExit(reason)
    for name in ("state", "node1", "node2"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // 2
    ports = {"port": PORT, "node1": PORT + 1, "node2": PORT + 2}
    conf = folder / "slurm.conf"
    first = 1 + secrets.randbelow(
        60_000_000
    )  # logs are named after job ids, so ids must not repeat those of an earlier cluster
    conf.write_text(CONF.format(folder=folder, user="root", first=first, cpus=os.cpu_count(), memory=memory, **ports))
    env = {"SLURM_CONF": str(conf)}
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    try:
        start(folder, "munged", "--force", f"--socket={folder}/munge.socket", *munge)
        start(folder, "slurmctld", "-c", env=env)
        for node in ("node1", "node2"):
            start(folder, "slurmd", "-N", node, "-c", env=env)
    except SystemExit:
        down(folder)  # the daemons that were started before
        raise
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        sinfo = subprocess.run(["sinfo", "-h", "-o", "%T %D"], env=os.environ | env, capture_output=True, text=True)
        if sinfo.stdout.split() == ["idle", "2"]:
            return env
        time.sleep(0.2)
    down(folder)
    raise SystemExit(f"the cluster did not start; see the logs in {folder}")


def start(folder: Path, *command: str, env: dict[str, str] | None = None) -> None:
    """Starts a daemon."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    with (folder / "start.log").open("a") as log:
        environment = os.environ | (env or {}) | {"PATH": path}
        status = subprocess.run(command, env=environment, stdout=log, stderr=log).returncode
    if status:
        raise SystemExit(f"{command[0]}: status {status}\n{(folder / 'start.log').read_text()}")


def down(folder: Path) -> None:
    """Ends the jobs of the cluster and then its daemons, whose process ids are in its folder."""
    conf = folder / "slurm.conf"
    if not conf.exists():
        return
    environment = os.environ | {"SLURM_CONF": str(conf)}
    subprocess.run(["scancel", "-u", "root", "--full"], env=environment, capture_output=True)
    for name in ("node1.pid", "node2.pid", "slurmctld.pid", "munge.pid"):
        path = folder / name
        number = path.read_text().strip() if path.exists() else ""
        if not number:
            continue
        with suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGTERM)
        for _ in range(100):
            if not Path(f"/proc/{number}").exists():
                break
            time.sleep(0.1)
    conf.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/open_r1-slurm"))
    args = parser.parse_args()
    if args.action == "down":
        down(args.folder.resolve())
        return
    env = up(args.folder.resolve())
    exports = "".join(f"  export {name}={value}\n" for name, value in env.items())
    sys.stdout.write(f"two nodes are idle; to submit jobs, run in your shell:\n{exports}")


if __name__ == "__main__":
    main()
