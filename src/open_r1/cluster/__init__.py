"""Jobs of a Slurm cluster, and the vLLM servers that they start."""
