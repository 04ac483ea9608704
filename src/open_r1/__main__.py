"""The command `open-r1`: runs a script by name, even if only the package is installed.

Examples:

  # list the scripts
  open-r1 --help

  # the same as `python src/open_r1/grpo.py --config my_recipe.yaml`
  open-r1 grpo --config my_recipe.yaml

  # the same without the command on the path
  python -m open_r1 grpo --config my_recipe.yaml
"""

import runpy
import sys

from open_r1.configs.stages import STAGES
from open_r1.utils.errors import did_you_mean


# Scripts without recipes of their own: what each does, and its module.
TOOLS = {
    "chat": ("talk to a checkpoint in the terminal", "open_r1.chat"),
    "plan": ("memory, time and cost of a training recipe", "open_r1.plan"),
    "merge_adapter": ("merge an adapter into its base model", "open_r1.merge_adapter"),
    "validate": ("check recipes", "open_r1.validate"),
    "launch": ("run a recipe in a Slurm job", "open_r1.cluster.launch"),
    "serve": ("serve a recipe's model with vLLM in a Slurm job", "open_r1.cluster.serve"),
}
COMMANDS = {**{name: (stage.summary, stage.module) for name, stage in STAGES.items()}, **TOOLS}


def help_text() -> str:
    """The help text, with one line per script."""
    lines = ["usage: open-r1 COMMAND [--key value ...]", "", "commands:"]
    for name, (summary, _) in COMMANDS.items():
        lines.append(f"  {name:20}{summary}")
    lines += ["", "`open-r1 COMMAND --help` shows the options of a command. Several processes share a training with"]
    lines += ["`accelerate launch -m open_r1.COMMAND --config RECIPE`."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs the script that the first argument names."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(help_text())
        return
    name = words[0]
    if name not in COMMANDS:
        sys.exit(f"error: unknown command {name!r}{did_you_mean(name, COMMANDS)} `open-r1 --help` lists them.")
    module = COMMANDS[name][1]
    sys.argv = [f"open-r1 {name}", *words[1:]]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
