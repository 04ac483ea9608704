"""Serves a recipe's model by vLLM in a Slurm job, until that ends; what `slurm/serve.slurm` calls.

Examples:

  sbatch --gpus-per-node 8 slurm/serve.slurm --recipe recipes/OpenR1-Distill-7B/generate/config_r1.yaml
  source slurm/logs/serve-123.env   # of job 123: the server's address and its key
  python src/open_r1/generate.py --config recipes/OpenR1-Distill-7B/generate/config_r1.yaml --base_urls $OPENAI_BASE_URL
"""

import logging
import os
import signal
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from open_r1.cluster.slurm import SlurmJob
from open_r1.cluster.vllm_server import POLL, server_for
from open_r1.configs.parser import RecipeParser, report_user_errors
from open_r1.configs.recipes import stage_of
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically


logger = logging.getLogger(__name__)

FOLDER = Path("slurm/logs")
TOLD = """\
export OPENAI_BASE_URL={url}/v1
export {name}={key}
export no_proxy=${{no_proxy:+$no_proxy,}}{host} NO_PROXY=${{NO_PROXY:+$NO_PROXY,}}{host}
"""


def main():
    parser = ArgumentParser(
        "serve", description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--recipe", required=True, help="A recipe of `generate` or `eval`; other options are its keys."
    )
    args, words = parser.parse_known_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    if (stage := stage_of(Path(args.recipe))) not in ("generate", "evaluation"):
        raise RecipeError(f"--recipe: {args.recipe} is for {stage}; expected one of generate or eval.")
    asked, model_args = RecipeParser(stage).parse(["--config", args.recipe, *words])
    os.environ.update(asked.env)
    job = SlurmJob.current()
    path = FOLDER / f"serve-{job.id}.env"
    for sign in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(sign, lambda *_: sys.exit(0))
    with server_for(asked, model_args, job.address, job.port, job.gpus) as server:
        try:
            write_text_atomically(
                path, TOLD.format(url=server.url, name=asked.api_key_env, key=server.key, host=server.host), 0o600
            )
            logger.info("source %s where it is to be used", path)
            while server.status() is None:
                time.sleep(POLL)
            sys.exit(server.status())
        finally:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    with report_user_errors():
        main()
