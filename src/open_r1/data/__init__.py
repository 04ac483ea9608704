"""Data sets: loading, prompts, conversations, preferences, and the embedded tasks in `tiny/`."""
