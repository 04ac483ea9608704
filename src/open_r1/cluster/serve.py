"""Serves a recipe's model with vLLM in a Slurm job, until the job ends; `slurm/serve.slurm` calls it.

Examples:

  sbatch --gpus-per-node 8 slurm/serve.slurm --recipe recipes/OpenR1-Distill-7B/generate/config_r1.yaml
  source slurm/logs/serve-123.env   # sets the address and the key of the server of job 123
  python src/open_r1/generate.py --config recipes/OpenR1-Distill-7B/generate/config_r1.yaml \\
      --base_urls $OPENAI_BASE_URL
"""

import logging
import os
import signal
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import NoReturn

from open_r1.cluster.slurm import SlurmJob
from open_r1.cluster.vllm_server import POLL, Server, local_server
from open_r1.configs.parser import RecipeParser, report_user_errors
from open_r1.configs.recipes import stage_of
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically


logger = logging.getLogger(__name__)

FOLDER = Path("slurm/logs")
# The file to source in a shell to use the server.
ENV_FILE = """\
export OPENAI_BASE_URL={url}/v1
export {key_variable}={key}
export no_proxy=${{no_proxy:+$no_proxy,}}{host} NO_PROXY=${{NO_PROXY:+$NO_PROXY,}}{host}
"""


def main() -> None:
    """Serves a model in the Slurm job that this process is part of."""
    parser = ArgumentParser(
        "serve", description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--recipe", required=True, help="A recipe of `generate` or `eval`; other options are its keys."
    )
    arguments, options = parser.parse_known_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    stage = stage_of(Path(arguments.recipe))
    if stage not in ("generate", "evaluation"):
        raise RecipeError(f"--recipe: {arguments.recipe} is for {stage}; expected a recipe of generate or eval.")
    args, model_args = RecipeParser(stage).parse(["--config", arguments.recipe, *options])
    os.environ.update(args.env)
    job = SlurmJob.current()
    signal.signal(signal.SIGTERM, exit_successfully)
    signal.signal(signal.SIGUSR1, exit_successfully)
    with local_server(args, model_args, job.address, job.port, job.gpus) as server:
        status = advertise(server, args.api_key_env, FOLDER / f"serve-{job.id}.env")
    sys.exit(status)


def exit_successfully(*_: object) -> NoReturn:
    """Handles the signals with which Slurm ends the job."""
    sys.exit(0)


def advertise(server: Server, key_variable: str, path: Path) -> int:
    """Publishes the address and the key of the server in a file for as long as it runs.

    Args:
        server (`Server`): The server.
        key_variable (`str`): Environment variable in which clients look for the key.
        path (`Path`): The file, which only its owner can read.

    Returns:
        `int`: The exit status of the server.
    """
    text = ENV_FILE.format(url=server.url, key_variable=key_variable, key=server.key, host=server.host)
    try:
        write_text_atomically(path, text, 0o600)
        logger.info("to use the server: source %s", path)
        while server.status() is None:
            time.sleep(POLL)
        return server.status()
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    with report_user_errors():
        main()
