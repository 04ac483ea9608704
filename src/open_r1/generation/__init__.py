"""Completions for prompts: drawn by transformers, vLLM or any OpenAI-compatible server, kept so that nothing is lost or drawn twice.

`store` keeps them, `backends` and `server` draw them, `running` brings the two together; `generate.py` is the script.
"""

from open_r1.generation.store import Job, Sample, Store, read_completions


__all__ = ["Job", "Sample", "Store", "read_completions"]
