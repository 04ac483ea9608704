"""Generates N completions per prompt, in this process or on servers (DeepSeek-R1, §2.3.3). Can be resumed anytime.

Examples:

  # from the miniature's R1-Zero, on this CPU
  python src/open_r1/generate.py --config recipes/tiny/generate/config_zero.yaml

  # from a server (`vllm serve <model>`); requests are spread over several URLs
  python src/open_r1/generate.py --config my.yaml --backend server \\
      --base_urls http://localhost:8000/v1 http://node2:8000/v1

  # the third of eight shards, as a task of a Slurm array would
  python src/open_r1/generate.py --config my.yaml --shard 2/8

  # only show what would be generated
  python src/open_r1/generate.py --config my.yaml --dry_run true

  # to resume, run the same command again
"""

import logging
import sys

from rich.console import Console

from open_r1.configs.parser import parse_command_line, report_user_errors


def main() -> None:
    """Generates the completions of a recipe."""
    args, model_args = parse_command_line("generate", __doc__)
    # Imported after parsing: these take seconds, and a mistake in the command line is reported at once.
    import transformers

    from open_r1.generation.driver import generate_completions

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    transformers.utils.logging.disable_progress_bar()
    failed = generate_completions(args, model_args, Console(soft_wrap=True))
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    with report_user_errors():
        main()
