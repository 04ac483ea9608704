"""What all trainers share: the steps of a run, checkpoints, preemption, the model card and pushes to the Hub."""
