"""Completions for prompts: drawn by transformers, vLLM or any OpenAI-compatible server, kept so that nothing is lost or drawn twice.

`store` keeps them, `backends` and `server` draw them, `running` brings the two together; `generate.py` is the script.
"""

from open_r1.data.completions import read_completions
from open_r1.generation.completion_store import Completion, CompletionStore, Request


__all__ = ["Request", "Completion", "CompletionStore", "read_completions"]
