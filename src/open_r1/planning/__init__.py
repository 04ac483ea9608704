"""Estimates the memory, time and cost of a recipe on given GPUs. The command is `python -m open_r1.plan`."""
