"""What every trainer shares: the run skeleton, checkpoints, preemption, the model card and pushes to the Hub."""
