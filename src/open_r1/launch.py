"""Runs a training recipe on the nodes of a Slurm job; what `slurm/train.slurm` calls.

One launcher a node starts a process for each of its GPUs. Before the job's time is over the run is asked to stop: it saves a checkpoint, the job
goes back into the queue, and when it is started again the run continues, with nothing for anybody to type.

Examples:

  # on one node, and on two
  sbatch slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml
  sbatch --nodes 2 slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml

  # another learning rate; any key of the recipe
  sbatch slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml --learning_rate 1.0e-4

  # stop it with a checkpoint, and do not start it again
  touch outputs/tiny/zero/STOP
"""

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from open_r1.configs import RecipeError
from open_r1.parser import STATUS_STOPPED, TRAINING, RecipeParser, user_errors
from open_r1.utils.preemption import REASONS, STOP, STOPPED
from open_r1.utils.recipes import command_of, stage_of
from open_r1.utils.slurm import Job, ask, on_nodes


logger = logging.getLogger(__name__)

POLL = 0.2  # seconds
PATIENCE = 3600  # seconds that torch's launcher gives a run to save itself; Slurm gives less
# The launcher stays while the run that it has started saves itself: of SIGTERM, which Slurm sends to both, only the run is to know.
EACH_NODE = 'trap "" TERM; exec accelerate launch --quiet --machine_rank "$SLURM_PROCID" "$@"'


def launcher(job: Job, config: str | None, bf16: bool) -> list[str]:
    """What starts a script on all nodes of a job."""
    count = len(job.nodes) * job.processes
    if config is None and count > 1:
        config = "recipes/accelerate_configs/ddp.yaml"
    shape = ["--num_machines", str(len(job.nodes)), "--num_processes", str(count), "--dynamo_backend", "no"]
    shape += ["--mixed_precision", "bf16" if bf16 else "no"]
    if count > 1:
        shape += ["--main_process_ip", job.address, "--main_process_port", str(job.port), "--rdzv_backend", "static"]
    shape += ["--config_file", config] if config and count > 1 else []
    return on_nodes(job.nodes, ["bash", "-c", EACH_NODE, "launch", *shape])


def run(command: list[str], folder: Path, end: float) -> tuple[int, bool]:
    """Runs a command to its end; asks it to stop if Slurm warns of the end of the job's time.

    Returns:
        `tuple[int, bool]`: Its status, and whether it was asked.
    """
    asked = []
    signal.signal(signal.SIGUSR1, lambda *_: asked.append(True))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm sends it to the run as well
    times = {} if end == float("inf") else {"SLURM_JOB_END_TIME": str(int(end))}
    env = os.environ | times | {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(PATIENCE)}
    process = subprocess.Popen(command, env=env)
    while process.poll() is None:
        if asked and not (folder / STOP).exists():  # again, if the run, which clears it as it starts, has only just started
            folder.mkdir(parents=True, exist_ok=True)
            (folder / STOP).touch()
        time.sleep(POLL)
    return process.returncode, bool(asked)


def stopped_at(folder: Path) -> dict:
    """What a run that was stopped in time has written, `{}` if it was not."""
    path = folder / STOPPED
    return json.loads(path.read_text()) if path.is_file() else {}


def main():
    parser = ArgumentParser("launch", description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--recipe", required=True, help="The recipe of a trainer; other options go to its script.")
    parser.add_argument("--nodes", type=int, help="Nodes; if the job has another number, it submits itself again with these.")
    args, words = parser.parse_known_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    job, path = Job.current(), Path(args.recipe)
    if (stage := stage_of(path)) not in TRAINING:
        raise RecipeError(f"--recipe: {path} is for {stage}; expected one of {', '.join(TRAINING)}.")
    script_args, training_args, _ = RecipeParser(stage).parse(["--config", args.recipe, *words])
    if args.nodes not in (None, len(job.nodes)):
        again = ["sbatch", f"--nodes={args.nodes}", "slurm/train.slurm", *sys.argv[1:]]
        logger.info("job %s has %d node(s): %s\n%s", job.id, len(job.nodes), shlex.join(again), ask(*again))
        return
    folder = Path(training_args.output_dir)
    before = stopped_at(folder).get("step", 0)
    command = [*launcher(job, script_args.accelerate_config, training_args.bf16), *command_of(path), *words]
    logger.info("job %s on %s: %s", job.id, ", ".join(job.nodes), shlex.join(command))
    status, asked = run(command, folder, job.end)
    stopped = stopped_at(folder)
    if not status or not stopped:
        sys.exit(status)
    if not asked and stopped["reason"] != REASONS[1]:
        logger.info("stopped after step %d: %s; sbatch the same command to continue", stopped["step"], stopped["reason"])
        sys.exit(STATUS_STOPPED)
    if stopped["step"] <= before:
        raise RecipeError(f"{folder}: a whole job has not got beyond step {before}; give it more time (sbatch --time).")
    logger.info("stopped after step %d, job %s goes back into the queue", stopped["step"], job.id)
    job.requeue()


if __name__ == "__main__":
    with user_errors():
        main()
