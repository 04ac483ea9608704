"""A report on a run, or on all stages of a pipeline, from what they wrote: plots, tables, completions. No tracker is needed.

Examples:

  # the report of the demo
  python src/open_r1/report.py --run_dir outputs/tiny/zero

  # all stages and seeds of a pipeline on one page: the table, the curves, what the paper claims and whether it holds here
  python src/open_r1/report.py --pipeline recipes/tiny/pipeline.yaml

  # elsewhere, with more completions
  python src/open_r1/report.py --run_dir outputs/my-run --report_dir report --examples 8

  # what it would read and write
  python src/open_r1/report.py --run_dir outputs/my-run --dry_run true

  # while the run is still going: the same
  python src/open_r1/report.py --run_dir outputs/my-run
"""

from pathlib import Path

from datasets import disable_progress_bars
from rich.console import Console

from open_r1.configs.parser import RecipeParser, parse_command_line, report_user_errors
from open_r1.reports import pipeline, run


def main():
    (args,) = parse_command_line("report", __doc__)
    console = Console(soft_wrap=True, highlight=False)
    disable_progress_bars()
    if args.pipeline:
        (recipe,) = RecipeParser("pipeline").parse(
            ["--config", args.pipeline, *(["--seeds", *map(str, args.seeds)] if args.seeds else [])]
        )
        pipeline.report(
            recipe, Path(args.report_dir or Path(recipe.output_dir, "report")), args.examples, args.dry_run, console
        )
    else:
        run_dir = Path(args.run_dir)
        run.report(run_dir, Path(args.report_dir or run_dir / "report"), args.examples, args.dry_run, console)


if __name__ == "__main__":
    with report_user_errors():
        main()
