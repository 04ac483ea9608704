"""Generates completions for prompts with transformers, vLLM or OpenAI-compatible servers, resumable at any moment.

`completion_store` keeps them, `backends` and `client` generate them, `loops` stores what is generated, and `driver`
runs a recipe. The script is `generate.py`.
"""

from open_r1.data.completions import read_completions
from open_r1.generation.completion_store import Completion, CompletionStore, Request


__all__ = ["Request", "Completion", "CompletionStore", "read_completions"]
