"""Pipelines: stages as tasks, which of them are outdated, and how they run, on this machine or as Slurm jobs."""
