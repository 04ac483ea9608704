"""Generates completions with transformers, vLLM or OpenAI-compatible servers. Runs can be stopped and resumed anytime.

`backends` and `client` generate completions, `completion_store` stores them, `loops` connects the two, and `driver`
runs a recipe. The script is `generate.py`.
"""

from open_r1.data.completions import read_completions
from open_r1.generation.completion_store import Completion, CompletionStore, Request


__all__ = ["Request", "Completion", "CompletionStore", "read_completions"]
