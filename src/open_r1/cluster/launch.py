"""Runs a recipe in a Slurm job; the scripts in `slurm/` call it.

For training, one launcher per node starts a process for each of its GPUs. Generation and evaluation with `backend:
server` start a vLLM server on the node, for this job only; each task of a job array generates its own shard. Shortly
before the time limit of the job, the work is asked to stop, and it saves its progress. The job is then requeued, and
continues when Slurm starts it again.

Examples:

  # on one node, and on two
  sbatch slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml
  sbatch --nodes 2 slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml

  # generate completions in eight shards, each with its own server
  sbatch --array 0-7 slurm/generate.slurm --recipe recipes/OpenR1-Distill-7B/generate/config_r1.yaml

  # with another learning rate; any key of the recipe can be overridden
  sbatch slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml --learning_rate 1.0e-4

  # save a checkpoint and stop, without requeueing the job
  touch outputs/tiny/zero/STOP
"""

import json
import logging
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import NamedTuple, NoReturn

from open_r1.cluster.slurm import SlurmJob, srun_command, submit_job
from open_r1.cluster.vllm_server import Server, local_server, rollout_server
from open_r1.configs import GRPOScriptArguments
from open_r1.configs.command_line import option_name
from open_r1.configs.parser import STATUS_STOPPED, RecipeParser, report_user_errors
from open_r1.configs.recipes import command_of, stage_of
from open_r1.configs.stages import BUILDERS, TRAINING
from open_r1.utils.errors import RecipeError
from open_r1.utils.stop_files import REASONS, STOP, STOPPED


logger = logging.getLogger(__name__)

POLL = 0.2  # seconds
CORES_PER_GPU = 8  # that a warning recommends
TIME_LIMIT = REASONS[1]  # the reason of a run that stops because its job's time limit is near
SHUTDOWN_TIMEOUT = 3600  # seconds that torch's launcher waits for a run to save a checkpoint; Slurm waits less
# Slurm sends SIGTERM to the launcher and to the run. The launcher ignores it, so that it stays alive while the run
# saves a checkpoint.
LAUNCH_ON_EACH_NODE = 'trap "" TERM; exec accelerate launch --quiet --machine_rank "$SLURM_PROCID" "$@"'
# A single process with nothing to configure needs no launcher, which would take seconds to start.
LAUNCH_ONE_PROCESS = 'trap "" TERM; exec python "$@"'
COMPLETED_WORK = ("completions-*.jsonl", "verdicts*.jsonl", "*.parquet")


class JobResult(NamedTuple):
    """How the work of a job ended.

    Args:
        status (`int`): Exit status.
        requeue (`bool`): Whether the job has to be requeued to continue.
    """

    status: int
    requeue: bool


def main() -> None:
    """Runs a recipe in the Slurm job that this process is part of."""
    args, options = parse_arguments()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    signal.signal(signal.SIGTERM, exit_on_sigterm)  # so that a server that is still loading is stopped as well
    job = SlurmJob.current()
    recipe = Path(args.recipe)
    stage = stage_of(recipe)
    warn_of_few_cores(job)
    if args.nodes is not None and args.nodes != len(job.nodes):
        new_job = submit_job("slurm/train.slurm", [f"--nodes={args.nodes}"], sys.argv[1:])
        logger.info("job %s has %d node(s); job %s has %d", job.id, len(job.nodes), new_job, args.nodes)
        return
    result = run_recipe(recipe, stage, add_shard(recipe, stage, options, job), job)
    if not result.requeue:
        sys.exit(result.status)
    logger.info("job %s goes back into the queue", job.id)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm sends it when it requeues the job
    job.requeue()
    sys.exit(STATUS_STOPPED)  # a caller must not think that the work is done


def parse_arguments() -> tuple:
    """Parses the command line into our two options and the remaining ones, which go to the recipe's script."""
    parser = ArgumentParser(
        "launch", description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--recipe", required=True, help="The recipe; other options go to its script.")
    parser.add_argument(
        "--nodes", type=int, help="Number of nodes; if the job has another number, it submits a new job with this one."
    )
    return parser.parse_known_args()


def warn_of_few_cores(job: SlurmJob) -> None:
    """Warns if there is less than one core per GPU: every process, server and engine would wait for the others."""
    cores = int(os.environ.get("SLURM_CPUS_ON_NODE") or 0)
    if 0 < cores < job.gpus:
        logger.warning(
            "the job has %d core(s) for %d GPUs; submit it with --exclusive, or --cpus-per-task %d",
            cores,
            job.gpus,
            CORES_PER_GPU * job.gpus,
        )


def exit_on_sigterm(*_: object) -> NoReturn:
    """Handles SIGTERM by exiting, so that `with` blocks are cleaned up."""
    sys.exit(128 + signal.SIGTERM)


def add_shard(recipe: Path, stage: str, options: list[str], job: SlurmJob) -> list[str]:
    """Adds the shard of this task to the options of a recipe, if the job is part of a job array.

    Args:
        recipe (`Path`): The recipe.
        stage (`str`): Its stage.
        options (`list[str]`): The command-line options.
        job (`SlurmJob`): This job.

    Raises:
        RecipeError: If a recipe that has no shards is run as a job array.
    """
    if has_option(options, "--shard") or not job.shard:
        return options
    if stage not in ("generate", *BUILDERS):
        raise RecipeError(f"--array: {recipe} is for {stage}, which has no shards.")
    return [*options, "--shard", job.shard]


def has_option(options: list[str], name: str) -> bool:
    """Whether a command line sets an option."""
    return any(option_name(word) == name for word in options)


def run_recipe(recipe: Path, stage: str, options: list[str], job: SlurmJob) -> JobResult:
    """Runs a recipe of any stage.

    Args:
        recipe (`Path`): The recipe.
        stage (`str`): Its stage.
        options (`list[str]`): Options for its script.
        job (`SlurmJob`): This job.
    """
    if stage in TRAINING:
        return train(recipe, stage, options, job)
    if stage in ("generate", "evaluation"):
        return generate_or_evaluate(recipe, stage, options, job)
    (args,) = RecipeParser(stage).parse(["--config", str(recipe), *options])
    return run_resumable(recipe, options, args.output_dir, job)


def train(recipe: Path, stage: str, options: list[str], job: SlurmJob) -> JobResult:
    """Trains on the nodes of the job, with vLLM on the last `vllm_nodes` of them.

    Args:
        recipe (`Path`): The recipe.
        stage (`str`): Its stage.
        options (`list[str]`): Options for its script.
        job (`SlurmJob`): This job.

    Raises:
        RecipeError: If the job has too few nodes, or makes no progress.
    """
    command_line = ["--config", str(recipe), *options]
    script_args, args, model_args = RecipeParser(stage).parse(command_line)
    os.environ.update(script_args.env)
    vllm_nodes = 0
    if isinstance(script_args, GRPOScriptArguments) and script_args.vllm_nodes:
        vllm_nodes = script_args.vllm_nodes
        script_args.require_server_mode(args)
    if vllm_nodes >= len(job.nodes):
        raise RecipeError(
            f"vllm_nodes: {vllm_nodes} of the job's {len(job.nodes)} nodes would leave none to train; "
            f"submit it with more: sbatch --nodes {vllm_nodes + 1} slurm/train.slurm ..."
        )
    training_nodes = job.nodes[: len(job.nodes) - vllm_nodes]
    launcher = launcher_command(job, training_nodes, script_args.accelerate_config, args.bf16)
    command = [*launcher, *command_of(recipe), *options]
    output_dir = Path(args.output_dir)
    if not vllm_nodes or script_args.dry_run:
        return run_training(command, output_dir, job)
    with rollout_server(script_args, args, model_args, job) as server:
        os.environ["VLLM_API_KEY"] = server.key
        os.environ["VLLM_HOST_IP"] = job.address  # the address at which the trainer offers its weights
        command += ["--vllm_server_base_url", server.url, "--vllm_group_port", str(job.port + 1)]
        return run_training(command, output_dir, job, server)


def launcher_command(job: SlurmJob, nodes: list[str], accelerate_config: str | None, bf16: bool) -> list[str]:
    """The command that starts a training script on nodes of the job.

    Args:
        job (`SlurmJob`): The job.
        nodes (`list[str]`): The first nodes of the job.
        accelerate_config (`str`, *optional*):
            Accelerate config file; DDP by default. It also matters to a single process, such as for offloading.
        bf16 (`bool`): Whether the training uses bfloat16.
    """
    processes = len(nodes) * job.processes
    if processes == 1 and accelerate_config is None:
        return srun_command(nodes, job.gpus, ["bash", "-c", LAUNCH_ONE_PROCESS, "launch"])
    accelerate_options = [
        *("--num_machines", str(len(nodes))),
        *("--num_processes", str(processes)),
        *("--dynamo_backend", "no"),
        *("--mixed_precision", "bf16" if bf16 else "no"),
        *("--main_process_ip", job.address),
        *("--main_process_port", str(job.port)),
        *("--rdzv_backend", "static"),
        # Accelerate's default, pdsh, would start a separate run on each node, and write the environment into a file.
        *("--deepspeed_multinode_launcher", "standard"),
        *("--config_file", accelerate_config or "recipes/accelerate_configs/ddp.yaml"),
    ]
    return srun_command(nodes, job.gpus, ["bash", "-c", LAUNCH_ON_EACH_NODE, "launch", *accelerate_options])


def run_training(command: list[str], output_dir: Path, job: SlurmJob, server: Server | None = None) -> JobResult:
    """Runs a training script until it ends, or stops with a checkpoint before the time limit of the job.

    Args:
        command (`list[str]`): The command.
        output_dir (`Path`): The run's output folder.
        job (`SlurmJob`): This job.
        server (`Server`, *optional*): The server that the script needs.

    Raises:
        RecipeError: If the job has not progressed beyond the step at which the previous job stopped.
    """
    previous_step = read_stop_note(output_dir).get("step", 0)
    (output_dir / STOPPED).unlink(missing_ok=True)
    logger.info("job %s on %s: %s", job.id, ", ".join(job.nodes), shlex.join(command))
    status = run_command(command, job, output_dir / STOP, server)
    stop_note = read_stop_note(output_dir)
    if status == 0 or not stop_note:
        return JobResult(status, requeue=False)
    step, reason = stop_note["step"], stop_note["reason"]
    if not job.warned and reason != TIME_LIMIT:
        logger.info("stopped after step %d: %s; sbatch the same command to continue", step, reason)
        return JobResult(STATUS_STOPPED, requeue=False)
    if step <= previous_step:
        raise RecipeError(
            f"{output_dir}: no progress beyond step {previous_step} in a whole job; give it more time (sbatch --time)."
        )
    logger.info("stopped after step %d", step)
    return JobResult(STATUS_STOPPED, requeue=True)


def read_stop_note(output_dir: Path) -> dict:
    """Reads what a run recorded when it stopped early: `step` and `reason`. Empty if it did not."""
    path = output_dir / STOPPED
    if not path.is_file():
        return {}
    return json.loads(path.read_text())


def generate_or_evaluate(recipe: Path, stage: str, options: list[str], job: SlurmJob) -> JobResult:
    """Generates completions or evaluates. Starts a server on this node if the recipe needs one and none is given.

    Args:
        recipe (`Path`): The recipe.
        stage (`str`): Its stage.
        options (`list[str]`): Options for its script.
        job (`SlurmJob`): This job.
    """
    command_line = ["--config", str(recipe), *options]
    args, model_args = RecipeParser(stage).parse(command_line)
    os.environ.update(args.env)
    needs_server = args.backend == "server" and not has_option(options, "--base_urls")
    if not needs_server:
        return run_resumable(recipe, options, args.output_dir, job)
    with local_server(args, model_args, "127.0.0.1", job.port, job.gpus) as server:
        os.environ[args.api_key_env] = server.key
        options = [*options, "--base_urls", f"{server.url}/v1"]
        return run_resumable(recipe, options, args.output_dir, job, server)


def run_resumable(
    recipe: Path, options: list[str], output_dir: str, job: SlurmJob, server: Server | None = None
) -> JobResult:
    """Runs a script that saves its results as it goes, so that it can be stopped at any moment.

    Args:
        recipe (`Path`): The recipe.
        options (`list[str]`): Options for its script.
        output_dir (`str`): Its output folder.
        job (`SlurmJob`): This job.
        server (`Server`, *optional*): The server that the script needs.

    Raises:
        RecipeError: If the job reached its time limit before anything was written, or the server exits.
    """
    command = [sys.executable, *command_of(recipe), *options]
    logger.info("job %s: %s", job.id, shlex.join(command))
    previous_size = size_of_completed_work(output_dir)
    status = run_command(command, job, server=server)
    if status == 0 or not job.warned:
        return JobResult(status, requeue=False)
    if size_of_completed_work(output_dir) <= previous_size:
        raise RecipeError(f"{output_dir}: a whole job wrote nothing; give it more time (sbatch --time).")
    return JobResult(status, requeue=True)


def size_of_completed_work(folder: str) -> int:
    """The total size of the completions, verdicts and rows in a folder, in bytes."""
    size = 0
    for pattern in COMPLETED_WORK:
        for path in Path(folder).rglob(pattern):
            size += path.stat().st_size
    return size


def run_command(command: list[str], job: SlurmJob, stop_file: Path | None = None, server: Server | None = None) -> int:
    """Runs a command until it exits. When Slurm warns of the time limit, the command is asked to stop.

    Args:
        command (`list[str]`): The command.
        job (`SlurmJob`): This job.
        stop_file (`Path`, *optional*): The file that asks the command to stop; by default SIGTERM does.
        server (`Server`, *optional*): The server that the command needs.

    Returns:
        `int`: Its exit status.

    Raises:
        RecipeError: If the server exits, since the command might wait for it forever. When this process exits, the
            job ends, and Slurm kills everything that runs in it.
    """
    # Slurm sends SIGTERM to all processes. Training then saves a checkpoint, and this process waits for it; any other
    # work just exits.
    signal.signal(signal.SIGTERM, signal.SIG_IGN if stop_file else exit_on_sigterm)
    env = os.environ | {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(SHUTDOWN_TIMEOUT)}
    if job.end != math.inf:
        env["SLURM_JOB_END_TIME"] = str(int(job.end))
    process = subprocess.Popen(command, env=env)
    while process.poll() is None:
        server_status = server.status() if server else None
        if server_status is not None:
            raise RecipeError(
                f"vLLM ended with status {server_status} while the run went on; its output is above. "
                "The same command continues."
            )
        if job.warned:
            ask_to_stop(process, stop_file)
        time.sleep(POLL)
    return process.returncode


def ask_to_stop(process: subprocess.Popen, stop_file: Path | None) -> None:
    """Asks a process to stop, with a file that it polls for or with SIGTERM.

    Args:
        process (`subprocess.Popen`): The process.
        stop_file (`Path`, *optional*): The file. A run removes it when it starts, in which case it is written again.
    """
    if stop_file is None:
        process.terminate()
    elif not stop_file.exists():
        stop_file.parent.mkdir(parents=True, exist_ok=True)
        stop_file.touch()


if __name__ == "__main__":
    with report_user_errors():
        main()
