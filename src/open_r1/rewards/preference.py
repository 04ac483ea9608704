"""Preference: what a reward model thinks of an answer, where there is no right or wrong (DeepSeek-R1, §2.3.4; v2, §3.1).

Helpfulness is judged on the final summary only, so that the thought stays free; harmlessness on the whole completion, thought included.
A reward is the model's score as a probability, `1 / (1 + exp(-score))`: bounded, so that one lucky outlier does not rule a group. (The
paper adds the bare score; within a group only the order and the spread differ.) The models are those of `open_r1.reward_model`.
"""

import logging
import threading
from abc import ABC, abstractmethod
from pathlib import Path

from open_r1.configs.recipes import find_producer
from open_r1.utils.errors import MissingInputError, RecipeError
from open_r1.utils.text import prompt_messages, split_thought


logger = logging.getLogger(__name__)


class Preference(ABC):
    """A reward model as a reward, loaded once, on this process's device.

    Args:
        model (`str`): Folder or Hub id of a model for sequence classification with one output.
        batch_size (`int`, *optional*, defaults to 32): Completions judged at once.
        revision (`str`, *optional*, defaults to `"main"`): Of a Hub model.
    """

    __name__ = "preference"

    def __init__(self, model: str, batch_size: int = 32, revision: str = "main"):
        if batch_size < 1:
            raise ValueError(f"batch_size: found {batch_size}; expected at least 1")
        self.model, self.batch_size, self.revision = model, batch_size, revision
        self._loaded, self._lock = None, threading.Lock()

    def __getstate__(self) -> dict:  # a reward travels to other processes; its model is loaded there
        return {name: getattr(self, name) for name in ("model", "batch_size", "revision")}

    def __setstate__(self, state: dict):
        self.__init__(**state)

    @abstractmethod
    def judged(self, text: str) -> str | None:
        """What of a completion is judged; `None` for one that gets 0."""

    def start(self):
        """Loads the model.

        Raises:
            RecipeError: If there is none, or if it has not one output.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self.model, self.revision)

    def __call__(self, completions: list[str | None], prompts: list, **kwargs) -> list[float | None]:
        self.start()
        parts = [None if text is None else self.judged(text) for text in completions]
        rewards = [None if text is None else 0.0 for text in completions]
        asked = [i for i, part in enumerate(parts) if part is not None]
        conversations = [[*prompt_messages(prompts[i]), {"role": "assistant", "content": parts[i]}] for i in asked]
        for i, probability in zip(asked, _probabilities(*self._loaded, conversations, self.batch_size), strict=True):
            rewards[i] = probability
        return rewards


class Helpfulness(Preference):
    """How helpful the final summary is, 0 to 1; 0 for a completion that has none."""

    __name__ = "helpfulness"

    def judged(self, text: str) -> str | None:
        return (split_thought(text).answer or "").strip() or None


class Harmlessness(Preference):
    """How safe the whole completion is, thought included, 0 to 1."""

    __name__ = "harmlessness"

    def judged(self, text: str) -> str | None:
        return text


def _load(source: str, revision: str):
    """Model and tokenizer."""
    import torch  # here, so that other rewards do without
    from transformers import AutoModelForSequenceClassification

    from open_r1.models.loading import load_tokenizer
    from open_r1.utils.imports import is_path

    if is_path(source) and not (Path(source) / "config.json").is_file():
        _, command = find_producer(source)
        if command:
            raise MissingInputError("model", source, command)
        raise RecipeError(f"no reward model in {source!r} (looked in {Path.cwd()} for config.json).")
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    try:
        model = AutoModelForSequenceClassification.from_pretrained(source, revision=revision, dtype=dtype)
        tokenizer = load_tokenizer(source, revision)
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot load the reward model {source!r}: {error}") from error
    if model.config.num_labels != 1:
        raise RecipeError(f"{source!r} has {model.config.num_labels} outputs; expected a reward model, with one")
    thought = "<think>so</think>4"
    written = tokenizer.chat_template and tokenizer.apply_chat_template(
        [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": thought}], tokenize=False
    )
    if not written or "so" not in written:
        raise RecipeError(
            f"the tokenizer of {source!r} has no chat template that keeps a thought (see recipes/chat_templates)"
        )
    logger.info("reward model %s on %s", source, device)
    return model.to(device).eval(), tokenizer


def _probabilities(model, tokenizer, conversations: list[list[dict]], batch_size: int) -> list[float]:
    """The model's scores of conversations, through a sigmoid; those of like length are judged together."""
    import torch

    texts = [tokenizer.apply_chat_template(turns, tokenize=False) for turns in conversations]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found = [0.0] * len(texts)
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            some = order[start : start + batch_size]
            batch = tokenizer([texts[i] for i in some], return_tensors="pt", padding=True, add_special_tokens=False)
            logits = model(**{name: batch[name].to(model.device) for name in ("input_ids", "attention_mask")}).logits
            for i, score in zip(some, torch.sigmoid(logits[:, 0].float()).tolist(), strict=True):
                found[i] = score
    return found
