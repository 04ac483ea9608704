"""Helpers of the scripts: names in recipes, models, checkpoints, callbacks, the Hub."""
