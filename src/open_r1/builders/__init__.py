"""Builders of data sets from completions: cold start, rejection sampling, distillation.

Each is a command, `python -m open_r1.builders.<name> --config RECIPE`; `filters` and `run_filters` work alone too."""
