"""Reports: on one run of reinforcement learning, and on all stages of a pipeline."""
