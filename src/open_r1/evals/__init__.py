"""Evaluation: benchmarks by name, completions graded as in training, avg@k, pass@k and cons@k with their intervals."""
