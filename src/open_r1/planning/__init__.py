"""What a recipe needs on given GPUs: memory, time and cost. The command is `python -m open_r1.plan`."""
