"""Preference rewards: scores of a reward model, for answers that are not verifiable (DeepSeek-R1, §2.3.4; v2, §3.1).

Helpfulness is judged on the final summary only, so that it does not interfere with the thought; harmlessness on the
whole completion, including the thought. The reward is the sigmoid of the model's score, `1 / (1 + exp(-score))`. It is
bounded, so that one outlier does not dominate a group. (The paper adds the raw score. The order of the completions in
a group is the same; only the spread differs.) Train the reward models with `open_r1.reward_model`.
"""

import logging
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from open_r1.configs.recipes import find_producer
from open_r1.utils.errors import MissingInputError, RecipeError
from open_r1.utils.imports import is_path
from open_r1.utils.text import prompt_messages, split_thought, text_of


if TYPE_CHECKING:
    from transformers import (
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )  # these import torch; other rewards do not need it

logger = logging.getLogger(__name__)


class Preference(ABC):
    """Base class for rewards from a reward model, which is loaded once, on the device of this process.

    Args:
        model (`str`): Folder or Hub id of a sequence classification model with one output.
        batch_size (`int`, *optional*, defaults to 32): Number of completions per forward pass.
        revision (`str`, *optional*, defaults to `"main"`): Revision of a Hub model.

    Raises:
        ValueError: If the batch size is not positive.
    """

    __name__ = "preference"

    def __init__(
        self,
        model: str,
        batch_size: int = 32,
        revision: str = "main",
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size: found {batch_size}; expected at least 1")
        self.model = model
        self.batch_size = batch_size
        self.revision = revision
        self._loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        """The arguments for creating the same reward in another process, which loads the model itself."""
        return {"model": self.model, "batch_size": self.batch_size, "revision": self.revision}

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
                self._loaded = _load(self.model, self.revision)

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
        scores = _probabilities(model, tokenizer, conversations, self.batch_size)
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
    """Loads a reward model and its tokenizer, in bfloat16 on a GPU if there is one."""
    import torch
    from transformers import AutoModelForSequenceClassification

    tokenizer = _load_tokenizer(source, revision)
    if torch.cuda.is_available():
        device = torch.device("cuda", torch.cuda.current_device())
        dtype = torch.bfloat16
    else:
        device = torch.device("cpu")
        dtype = torch.float32
    try:
        model = AutoModelForSequenceClassification.from_pretrained(source, revision=revision, dtype=dtype)
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot load the reward model {source!r}: {error}") from error
    logger.info("reward model %s on %s", source, device)
    return model.to(device).eval(), tokenizer


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
