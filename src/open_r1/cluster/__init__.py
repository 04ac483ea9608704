"""Runs recipes as jobs of a Slurm cluster, and the vLLM servers that these jobs start."""
