"""Reports on a run, or on all stages of a pipeline: plots, tables and completions, without a tracker.

Examples:

  # the report of the demo
  python src/open_r1/report.py --run_dir outputs/tiny/zero

  # all stages and seeds of a pipeline on one page: table, curves, and whether the paper's claims hold
  python src/open_r1/report.py --pipeline recipes/tiny/pipeline.yaml

  # in another folder, with more completions
  python src/open_r1/report.py --run_dir outputs/my-run --report_dir report --examples 8

  # only show what it would read and write
  python src/open_r1/report.py --run_dir outputs/my-run --dry_run true

  # also works for a run that is still training
  python src/open_r1/report.py --run_dir outputs/my-run
"""

import shlex
import sys
from pathlib import Path

from datasets import disable_progress_bars
from rich.console import Console

from open_r1.configs.parser import RecipeParser, parse_command_line, report_user_errors
from open_r1.reports import pipeline, run


def main() -> None:
    """Writes the report of a run or of a pipeline."""
    (args,) = parse_command_line("report", __doc__)
    command = shlex.join(["python", "src/open_r1/report.py", *sys.argv[1:]])
    console = Console(soft_wrap=True, highlight=False)
    disable_progress_bars()
    if args.run_dir:
        run_dir = Path(args.run_dir)
        report_dir = Path(args.report_dir or run_dir / "report")
        run.report(run_dir, report_dir, args.examples, args.dry_run, console, command)
        return
    pipeline_argv = ["--config", args.pipeline]
    if args.seeds:
        pipeline_argv += ["--seeds", *map(str, args.seeds)]
    (recipe,) = RecipeParser("pipeline").parse(pipeline_argv)
    report_dir = Path(args.report_dir or Path(recipe.output_dir, "report"))
    pipeline.report(recipe, report_dir, args.examples, args.dry_run, console, command)


if __name__ == "__main__":
    with report_user_errors():
        main()
