"""Preference rewards: scores of a reward model, for answers that are not verifiable (DeepSeek-R1, §2.3.4; v2, §3.1).

Helpfulness is judged on the final summary only, so that it does not interfere with the thought; harmlessness on the
whole completion, including the thought. The reward is the sigmoid of the model's score, `1 / (1 + exp(-score))`. It is
bounded, so that one outlier does not dominate a group. (The paper adds the raw score. The order of the completions in
a group is the same; only the spread differs.) Train the reward models with `open_r1.reward_model`.
"""

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from open_r1.configs.recipes import find_producer
from open_r1.utils.errors import MissingInputError, RecipeError
from open_r1.utils.imports import is_path
from open_r1.utils.text import prompt_messages, split_thought, text_of


if TYPE_CHECKING:  # these import torch, which other rewards do without
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

FSDP_LOADING = "FSDP_CPU_RAM_EFFICIENT_LOADING"  # accelerate's: only the first process reads the weights


class Preference(ABC):
    """Base class for rewards from a reward model, which is loaded once, on the device of this process.

    Args:
        model (`str`): Folder or Hub id of a sequence classification model with one output.
        batch_size (`int`, *optional*, defaults to 32): Number of completions per forward pass.
        revision (`str`, *optional*, defaults to `"main"`): Revision of a Hub model.
        offload (`bool`, *optional*, defaults to `False`):
            Whether the model waits in the CPU's memory and is on the GPU only while it scores. Every process has a
            copy of its own: two models of 7B parameters take 28 GiB of each GPU otherwise.

    Raises:
        ValueError: If the batch size is not positive.
    """

    __name__ = "preference"

    def __init__(
        self,
        model: str,
        batch_size: int = 32,
        revision: str = "main",
        offload: bool = False,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size: found {batch_size}; expected at least 1")
        self.model = model
        self.batch_size = batch_size
        self.revision = revision
        self.offload = offload
        self._loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None = None
        self._device: torch.device | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        """The arguments for creating the same reward in another process, which loads the model itself."""
        return {
            "model": self.model,
            "batch_size": self.batch_size,
            "revision": self.revision,
            "offload": self.offload,
        }

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)

    @abstractmethod
    def judged_part(self, text: str) -> str | None:
        """The part of a completion that the model judges; `None` if the completion gets a reward of 0.

        Args:
            text (`str`): The whole completion.
        """

    def check(self) -> None:
        """Checks the model's configuration and tokenizer without loading its weights.

        Raises:
            RecipeError: If the model does not exist or is not a reward model.
        """
        _load_tokenizer(self.model, self.revision)

    def start(self) -> None:
        """Loads the model.

        Raises:
            RecipeError: If the model does not exist or is not a reward model.
        """
        with self._lock:
            if self._loaded is None:
                self._device = _device()  # in the main thread: others would take the first GPU for theirs
                self._loaded = _load(self.model, self.revision)
                logger.info("reward model %s for %s", self.model, self._device)
                if not self.offload:
                    self._loaded[0].to(self._device)

    def count_parameters(self) -> int:
        """The number of parameters that stay on each device, without loading them.

        Raises:
            RecipeError: If there is no such model, and no recipe that trains it.
        """
        import torch
        from transformers import AutoModelForSequenceClassification
        from trl import ModelConfig

        from open_r1.models.loading import load_model_info

        if self.offload:
            return 0
        info = load_model_info(ModelConfig(model_name_or_path=self.model, model_revision=self.revision), seed=0)
        with torch.device("meta"), _unsharded():
            return AutoModelForSequenceClassification.from_config(info.config).num_parameters()

    def __call__(
        self,
        completions: list,
        prompts: list,
        **kwargs,
    ) -> list[float | None]:
        self.start()
        model, tokenizer = self._loaded
        rewards: list[float | None] = [None] * len(completions)
        judged_rows = []
        conversations = []
        for row, completion in enumerate(completions):
            text = text_of(completion)
            if text is None:
                continue
            rewards[row] = 0.0
            part = self.judged_part(text)
            if part is not None:
                judged_rows.append(row)
                conversations.append([*prompt_messages(prompts[row]), {"role": "assistant", "content": part}])
        with self._lock:
            if self.offload and conversations:
                model.to(self._device)
            scores = _probabilities(model, tokenizer, conversations, self.batch_size)
            if self.offload:
                model.to("cpu")
        for row, score in zip(judged_rows, scores, strict=True):
            rewards[row] = score
        return rewards


class Helpfulness(Preference):
    """How helpful the final summary is, from 0 to 1; 0 for a completion without a summary."""

    __name__ = "helpfulness"

    def judged_part(self, text: str) -> str | None:
        """The summary; `None` if there is none."""
        summary = split_thought(text).answer
        if summary is None or not summary.strip():
            return None
        return summary.strip()


class Harmlessness(Preference):
    """How safe the whole completion is, thought included, from 0 to 1."""

    __name__ = "harmlessness"

    def judged_part(self, text: str) -> str | None:
        """The whole completion."""
        return text


def _load_tokenizer(source: str, revision: str) -> "PreTrainedTokenizerBase":
    """Loads the tokenizer of a reward model, after checking that it is a reward model."""
    from transformers import AutoConfig

    from open_r1.models.loading import load_tokenizer

    if is_path(source) and not (Path(source) / "config.json").is_file():
        _, command = find_producer(source)
        if command:
            raise MissingInputError("model", source, command)
        raise RecipeError(f"no reward model in {source!r} (looked in {Path.cwd()} for config.json).")
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
        tokenizer = load_tokenizer(source, revision)
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot load the reward model {source!r}: {error}") from error
    if config.num_labels != 1:
        raise RecipeError(f"{source!r} has {config.num_labels} outputs; expected a reward model, with one.")
    if not _keeps_thoughts(tokenizer):
        raise RecipeError(
            f"the tokenizer of {source!r} has no chat template that keeps a thought (see recipes/chat_templates)."
        )
    return tokenizer


def _keeps_thoughts(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether the chat template keeps the thought in assistant messages; many templates remove it."""
    if not tokenizer.chat_template:
        return False
    messages = [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "<think>so</think>4"}]
    return "so" in tokenizer.apply_chat_template(messages, tokenize=False)


def _load(source: str, revision: str) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Loads a reward model and its tokenizer into the CPU's memory, in bfloat16 if this process has a GPU."""
    import torch
    from transformers import AutoModelForSequenceClassification

    tokenizer = _load_tokenizer(source, revision)
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    try:
        with _unsharded():
            model = AutoModelForSequenceClassification.from_pretrained(source, revision=revision, dtype=dtype)
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot load the reward model {source!r}: {error}") from error
    return model.eval(), tokenizer


def _device() -> "torch.device":
    """Where this process scores: on its GPU, if there is one."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


@contextmanager
def _unsharded() -> Iterator[None]:
    """Makes transformers load all weights in every process, although those of the policy are shared among them.

    With ZeRO-3 it would give each process a part of every weight, which only DeepSpeed's engine can put together; with
    FSDP all processes but the first would get zeros.
    """
    from transformers.integrations import deepspeed

    zero3 = deepspeed._hf_deepspeed_config_weak_ref  # transformers has a setter and no getter
    fsdp = os.environ.get(FSDP_LOADING)
    deepspeed.unset_hf_deepspeed_config()
    os.environ[FSDP_LOADING] = "false"
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = zero3
        if fsdp is None:
            del os.environ[FSDP_LOADING]
        else:
            os.environ[FSDP_LOADING] = fsdp


def _probabilities(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    conversations: list[list[dict]],
    batch_size: int,
) -> list[float]:
    """The sigmoid of the model's score for each conversation. Batches contain conversations of similar length."""
    import torch

    texts = []
    for messages in conversations:
        texts.append(tokenizer.apply_chat_template(messages, tokenize=False))
    by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    probabilities = [0.0] * len(texts)
    with torch.inference_mode():
        for start in range(0, len(by_length), batch_size):
            indices = by_length[start : start + batch_size]
            batch = tokenizer(
                [texts[index] for index in indices], return_tensors="pt", padding=True, add_special_tokens=False
            )
            logits = model(
                input_ids=batch["input_ids"].to(model.device),
                attention_mask=batch["attention_mask"].to(model.device),
            ).logits
            scores = torch.sigmoid(logits[:, 0].float())
            for index, score in zip(indices, scores.tolist(), strict=True):
                probabilities[index] = score
    return probabilities
