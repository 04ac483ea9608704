"""Runs recipes as Slurm jobs, together with the vLLM servers that these jobs need."""
