"""Runs a recipe in a Slurm job; what the scripts in `slurm/` call.

Training: one launcher a node starts a process for each of its GPUs. Generation and evaluation with `backend: server`: a vLLM server on the node,
for this job alone; of an array each task draws its part. Before the job's time is over the work is asked to stop: it saves what there is, the job
goes back into the queue, and when it is started again it continues, with nothing for anybody to type.

Examples:

  # on one node, and on two
  sbatch slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml
  sbatch --nodes 2 slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml

  # completions, in eight parts, each with a server of its own
  sbatch --array 0-7 slurm/generate.slurm --recipe recipes/OpenR1-Distill-7B/generate/config_r1.yaml

  # another learning rate; any key of the recipe
  sbatch slurm/train.slurm --recipe recipes/tiny/grpo/config_zero.yaml --learning_rate 1.0e-4

  # stop it with a checkpoint, and do not start it again
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

from open_r1.cluster.slurm import SlurmJob, srun_command, submit_job
from open_r1.cluster.vllm_server import Server, rollout_server, server_for
from open_r1.configs import GRPOScriptArguments
from open_r1.configs.command_line import option_name
from open_r1.configs.parser import STATUS_STOPPED, RecipeParser, report_user_errors
from open_r1.configs.recipes import command_of, stage_of
from open_r1.configs.stages import BUILDERS, TRAINING
from open_r1.utils.errors import RecipeError
from open_r1.utils.stop_files import REASONS, STOP, STOPPED


logger = logging.getLogger(__name__)

POLL = 0.2  # seconds
PATIENCE = 3600  # seconds that torch's launcher gives a run to save itself; Slurm gives less
# The launcher stays while the run that it has started saves itself: of SIGTERM, which Slurm sends to both, only the run is to know.
EACH_NODE = 'trap "" TERM; exec accelerate launch --quiet --machine_rank "$SLURM_PROCID" "$@"'
ALONE = 'trap "" TERM; exec python "$@"'  # one process needs no launcher, which takes seconds to start


def launcher(job: SlurmJob, nodes: list[str], config: str | None, bf16: bool) -> list[str]:
    """What starts a script on nodes of a job, the first ones."""
    count = len(nodes) * job.processes
    if count == 1:
        return srun_command(nodes, ["bash", "-c", ALONE, "launch"])
    shape = ["--num_machines", str(len(nodes)), "--num_processes", str(count), "--dynamo_backend", "no"]
    shape += ["--mixed_precision", "bf16" if bf16 else "no"]
    shape += ["--main_process_ip", job.address, "--main_process_port", str(job.port), "--rdzv_backend", "static"]
    shape += ["--config_file", config or "recipes/accelerate_configs/ddp.yaml"]
    return srun_command(nodes, ["bash", "-c", EACH_NODE, "launch", *shape])


def run(command: list[str], job: SlurmJob, ask_to_stop: Path | None = None, server: Server | None = None) -> int:
    """Runs a command to its end. If the job is warned that its time is nearly over it is asked to stop: by a file, or by SIGTERM.

    Returns:
        `int`: Its status.

    Raises:
        RecipeError: If the server that it asks has ended; it could wait for ever. The job ends with this, and all that is in it.
    """
    # Slurm sends it to all: training saves itself and is waited for, what can be ended at any time is.
    signal.signal(signal.SIGTERM, signal.SIG_IGN if ask_to_stop else lambda *_: sys.exit(128 + signal.SIGTERM))
    times = {} if job.end == math.inf else {"SLURM_JOB_END_TIME": str(int(job.end))}
    env = os.environ | times | {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(PATIENCE)}
    process = subprocess.Popen(command, env=env)
    while process.poll() is None:
        if server and (ended := server.status()) is not None:
            raise RecipeError(
                f"vLLM ended with status {ended} while the run went on; what it says is above. The same command continues."
            )
        if job.warned and ask_to_stop is None:
            process.terminate()
        elif (
            job.warned and not ask_to_stop.exists()
        ):  # again, if the run, which clears it as it starts, has only just started
            ask_to_stop.parent.mkdir(parents=True, exist_ok=True)
            ask_to_stop.touch()
        time.sleep(POLL)
    return process.returncode


def stopped_at(folder: Path) -> dict:
    """What a run that was stopped in time has written, `{}` if it was not."""
    path = folder / STOPPED
    return json.loads(path.read_text()) if path.is_file() else {}


def train(path: Path, words: list[str], job: SlurmJob) -> tuple[int, bool]:
    """Trains on the nodes of the job, beside vLLM on the last ones if the recipe wants that.

    Returns:
        `tuple[int, bool]`: A status, and whether the job is to go on in another one.
    """
    script_args, args, model_args = RecipeParser(stage_of(path)).parse(["--config", str(path), *words])
    os.environ.update(script_args.env)
    count = script_args.vllm_nodes if isinstance(script_args, GRPOScriptArguments) else 0
    if count:
        script_args.require_server_mode(args)
    if count >= len(job.nodes):
        raise RecipeError(
            f"vllm_nodes: {count} of the job's {len(job.nodes)} nodes would leave none to train; "
            f"submit it with more: sbatch --nodes {count + 1} slurm/train.slurm ..."
        )
    command = [
        *launcher(job, job.nodes[: len(job.nodes) - count], script_args.accelerate_config, args.bf16),
        *command_of(path),
        *words,
    ]
    if not count or script_args.dry_run:
        return trained(command, Path(args.output_dir), job)
    with rollout_server(script_args, args, model_args, job) as server:
        os.environ |= {"VLLM_API_KEY": server.key, "VLLM_HOST_IP": job.address}  # where the run hands out its weights
        at = ["--vllm_server_base_url", server.url, "--vllm_group_port", str(job.port + 1)]
        return trained([*command, *at], Path(args.output_dir), job, server)


def trained(command: list[str], folder: Path, job: SlurmJob, server: Server | None = None) -> tuple[int, bool]:
    """Runs a training to its end, or to the job's; as `train` returns it."""
    before = stopped_at(folder).get("step", 0)
    (folder / STOPPED).unlink(missing_ok=True)  # or it would be taken for this run's
    logger.info("job %s on %s: %s", job.id, ", ".join(job.nodes), shlex.join(command))
    status = run(command, job, folder / STOP, server)
    stopped = stopped_at(folder)
    if not status or not stopped:
        return status, False
    if not job.warned and stopped["reason"] != REASONS[1]:
        logger.info(
            "stopped after step %d: %s; sbatch the same command to continue", stopped["step"], stopped["reason"]
        )
        return STATUS_STOPPED, False
    if stopped["step"] <= before:
        raise RecipeError(
            f"{folder}: a whole job has not got beyond step {before}; give it more time (sbatch --time)."
        )
    logger.info("stopped after step %d", stopped["step"])
    return STATUS_STOPPED, True


def draw(path: Path, words: list[str], job: SlurmJob) -> tuple[int, bool]:
    """Draws completions, or evaluates; from a server on this node if the recipe wants one and the command line names none."""
    args, model_args = RecipeParser(stage_of(path)).parse(["--config", str(path), *words])
    os.environ.update(args.env)
    if args.backend != "server" or "--base_urls" in map(option_name, words):
        return work(path, words, args.output_dir, job)
    with server_for(args, model_args, "127.0.0.1", job.port, job.gpus) as server:
        os.environ[args.api_key_env] = server.key
        return work(path, [*words, "--base_urls", f"{server.url}/v1"], args.output_dir, job)


def work(path: Path, words: list[str], output_dir: str, job: SlurmJob) -> tuple[int, bool]:
    """Runs what keeps all that it has done as it goes, and can be ended at any time."""
    command = [sys.executable, *command_of(path), *words]
    logger.info("job %s: %s", job.id, shlex.join(command))
    before = written(output_dir)
    status = run(command, job)
    if not status or not job.warned:
        return status, False
    if written(output_dir) <= before:
        raise RecipeError(f"{output_dir}: a whole job has written nothing; give it more time (sbatch --time).")
    return status, True


def written(folder: str) -> int:
    """Bytes of completions, verdicts and rows in a folder."""
    kinds = ("completions-*.jsonl", "verdicts*.jsonl", "*.parquet")
    return sum(path.stat().st_size for kind in kinds for path in Path(folder).rglob(kind))


def main():
    parser = ArgumentParser(
        "launch", description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--recipe", required=True, help="The recipe; other options go to its script.")
    parser.add_argument(
        "--nodes", type=int, help="Nodes; if the job has another number, it submits itself again with these."
    )
    args, words = parser.parse_known_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # also while a server loads, which is to end too
    job, path = SlurmJob.current(), Path(args.recipe)
    stage = stage_of(path)
    if args.nodes not in (None, len(job.nodes)):
        again = submit_job("slurm/train.slurm", [f"--nodes={args.nodes}"], sys.argv[1:])
        logger.info("job %s has %d node(s); job %s has %d", job.id, len(job.nodes), again, args.nodes)
        return
    if "--shard" not in map(option_name, words) and job.shard:
        if stage not in ("generate", *BUILDERS):
            raise RecipeError(f"--array: {path} is for {stage}, which has no parts.")
        words = [*words, "--shard", job.shard]
    if stage in TRAINING:
        status, again = train(path, words, job)
    elif stage in ("generate", "evaluation"):
        status, again = draw(path, words, job)
    else:
        (only,) = RecipeParser(stage).parse(["--config", str(path), *words])
        status, again = work(path, words, only.output_dir, job)
    if not again:
        sys.exit(status)
    logger.info("job %s goes back into the queue", job.id)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which ends it here
    job.requeue()
    sys.exit(STATUS_STOPPED)  # whoever waits for this must not take it for done


if __name__ == "__main__":
    with report_user_errors():
        main()
