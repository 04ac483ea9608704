"""Estimates memory, time and cost of a training recipe on given GPUs. Only the model's configuration is loaded.

Examples:

  python -m open_r1.plan recipes/Qwen2.5-Math-7B/grpo/config_zero.yaml --nodes 1 --gpus 8

  # another GPU, another batch size, and completions of 2,000 tokens on average instead of half the longest
  python -m open_r1.plan recipes/Qwen2.5-Math-7B/grpo/config_zero.yaml --nodes 1 --gpus 8 --gpu H200 \\
      --mean_length 2000 --per_device_train_batch_size 4
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter

from open_r1.configs.parser import report_user_errors
from open_r1.planning.gpus import GPUS


def build_parser() -> ArgumentParser:
    """Builds the parser of this script's own options; all others are keys of the recipe."""
    parser = ArgumentParser(
        "python -m open_r1.plan", description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("recipe", help="A training recipe; options that are not listed here override its keys.")
    parser.add_argument("--nodes", type=int, default=1, help="Number of nodes.")
    parser.add_argument("--gpus", type=int, default=8, help="Number of GPUs per node.")
    parser.add_argument("--gpu", default="H100", help=f"One of {', '.join(GPUS)}.")
    parser.add_argument(
        "--mean_length",
        type=float,
        help="Mean number of tokens per completion, or per row of the data; by default half of the longest.",
    )
    parser.add_argument("--from_step", type=int, default=0, help="Number of steps already done by another run.")
    parser.add_argument("--rows", type=int, help="Rows of the data set, if the recipe sets epochs instead of steps.")
    return parser


def main() -> None:
    """Prints the plan of a recipe."""
    options, overrides = build_parser().parse_known_args()
    from open_r1.planning.recipe import plan_recipe  # imports torch, so only after the command line is checked

    plan = plan_recipe(options, overrides)
    sys.stdout.write(f"{options.recipe} on {options.nodes} × {options.gpus} {options.gpu}\n{plan}\n")


if __name__ == "__main__":
    with report_user_errors():
        main()
