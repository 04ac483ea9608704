"""Options of `generate.py`, and of merging the shards that it writes."""

import math
from dataclasses import dataclass, field
from typing import Any

from open_r1.configs.common import DatasetArguments, PromptArguments
from open_r1.configs.reward_spec import require_rows_file
from open_r1.utils.errors import RecipeError, did_you_mean, parse_mapping


BACKENDS = ("transformers", "vllm", "server")
RANGES = {
    "num_generations": (1, math.inf),
    "temperature": (0, 10),
    "top_p": (0, 1),
    "max_completion_length": (1, math.inf),
    "batch_size": (1, math.inf),
    "concurrency": (1, 100_000),
    "attempts": (1, 100),
    "truncated_attempts": (0, 100),
}


def part_of(shard: str) -> tuple[int, int]:
    """Reads the option `shard`.

    Args:
        shard (`str`): `i/n`.

    Returns:
        `tuple[int, int]`: The index of the shard, and the number of shards.

    Raises:
        RecipeError: If the option is not of this form.

    >>> part_of("2/8")
    (2, 8)
    """
    part, _, count = shard.partition("/")
    if not part.isdecimal() or not count.isdecimal() or int(part) >= int(count):
        raise RecipeError(f"shard: found {shard!r}; expected i/n with i from 0 to n - 1, such as 0/8.")
    return int(part), int(count)


@dataclass
class GenerateArguments(PromptArguments):
    """Options for sampling completions."""

    output_dir: str | None = field(
        default=None, metadata={"help": "Folder for the completions; if it holds some already, the run resumes."}
    )
    backend: str = field(
        default="transformers",
        metadata={
            "help": "`transformers`, `vllm` (in this process) or `server` (OpenAI-compatible, see `base_urls`)."
        },
    )
    base_urls: list[str] = field(
        default_factory=list,
        metadata={"help": "Servers, such as http://localhost:8000/v1; requests are spread over them."},
    )
    api_key_env: str = field(
        default="OPENAI_API_KEY", metadata={"help": "Environment variable that holds the servers' key."}
    )
    vllm_engine: dict | str | None = field(
        default=None, metadata={"help": "Keyword arguments of `vllm.LLM`, such as {tensor_parallel_size: 4}."}
    )
    dataset_prefix_column: str | None = field(
        default=None,
        metadata={"help": "Column with the beginning of the completion, such as half a thought; the model goes on."},
    )
    num_generations: int = field(default=1, metadata={"help": "Completions per prompt."})
    temperature: float = field(default=0.6, metadata={"help": "Sampling temperature; 0 is greedy."})
    top_p: float = field(default=0.95, metadata={"help": "Nucleus sampling: probability mass to sample from."})
    top_k: int | None = field(
        default=None, metadata={"help": "Number of most likely tokens to sample from; by default all."}
    )
    min_p: float | None = field(
        default=None, metadata={"help": "Minimum probability of a token, relative to that of the most likely one."}
    )
    repetition_penalty: float = field(default=1.0, metadata={"help": "Penalty on tokens that already occurred."})
    max_completion_length: int = field(default=32768, metadata={"help": "Maximum number of tokens per completion."})
    stop: list[str] = field(default_factory=list, metadata={"help": "Strings that end a completion."})
    seed: int = field(default=42, metadata={"help": "Random seed, from which each completion's own seed is derived."})
    batch_size: int = field(default=64, metadata={"help": "Completions sampled at once in this process."})
    concurrency: int = field(default=128, metadata={"help": "Number of concurrent requests, over all servers."})
    attempts: int = field(default=6, metadata={"help": "Maximum attempts per completion on a server, with backoff."})
    truncated_attempts: int = field(
        default=0, metadata={"help": "How often to retry a completion that a server truncated."}
    )
    request_timeout: float = field(
        default=14400.0,
        metadata={"help": "Timeout of a request, in seconds, including its time in the server's queue."},
    )
    trust_remote_code: bool = field(
        default=False, metadata={"help": "Whether to run code that comes with a Hub model."}
    )
    shard: str = field(default="0/1", metadata={"help": "Which shard of the prompts to process, i/n, for job arrays."})
    max_prompts: int | None = field(
        default=None, metadata={"help": "Maximum number of prompts; the first ones are used."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.vllm_engine, str):
            self.vllm_engine = parse_mapping(self.vllm_engine, "vllm_engine")
        if not self.output_dir:
            raise RecipeError("output_dir: missing. Name a folder for the completions.")
        self._check_backend()
        for key, (low, high) in RANGES.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise RecipeError(f"{key}: found {value}; expected {low} to {high}.")
        self.part, self.parts = part_of(self.shard)

    def _check_backend(self) -> None:
        if self.backend not in BACKENDS:
            raise RecipeError(f"backend: found {self.backend!r}{did_you_mean(self.backend, BACKENDS)}")
        if self.backend == "server" and not self.base_urls:
            raise RecipeError("base_urls: missing. With `backend: server`, name the servers.")
        if self.backend != "server" and self.base_urls:
            raise RecipeError(
                f"base_urls: found {self.base_urls} with `backend: {self.backend}`; use `backend: server`."
            )
        if self.backend == "server" and self.max_prompt_length is not None:
            raise RecipeError(
                "max_prompt_length: with `backend: server` there is no tokenizer here to count with; leave it out."
            )

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling parameters, under vLLM's names."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "max_tokens": self.max_completion_length,
            "stop": self.stop,
        }


@dataclass
class MergeArguments(DatasetArguments):
    """Options of `python -m open_r1.generation.merge`."""

    dataset_name: str | None = field(
        default=None, metadata={"help": "Folder with the shards, as `generate.py` or a builder wrote them."}
    )
    output_path: str | None = field(
        default=None,
        metadata={"help": "File for all rows, .jsonl or .parquet; by default the shards are only checked."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_path:
            require_rows_file("output_path", self.output_path)
