"""Pipelines: the stages of a recipe as tasks, what is out of date, and how they are run, here or as Slurm jobs."""
