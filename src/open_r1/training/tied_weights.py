"""Keeps the trainer from warning about tied weights when a run resumes."""

from typing import Any

from torch import nn
from transformers import Trainer


def expect_tied_weights(trainer: Trainer) -> None:
    """Makes a trainer accept that a checkpoint holds tied weights under one of their names.

    A model whose output layer is its embedding has the names `lm_head.weight` and `model.embed_tokens.weight` for the
    same tensor, and safetensors stores it once. The trainer would warn that `lm_head.weight` is missing. Weights that
    are really missing are still reported.

    Args:
        trainer (`Trainer`): The trainer, before it resumes.
    """
    warn = trainer._issue_warnings_after_load  # transformers has no public access

    def warn_about_others(load_result: Any) -> None:
        missing = without_tied(load_result.missing_keys, trainer.model)
        warn(load_result._replace(missing_keys=missing))

    trainer._issue_warnings_after_load = warn_about_others


def without_tied(missing: list[str], model: nn.Module) -> list[str]:
    """Those of some missing weights that were not loaded under another name either.

    Args:
        missing (`list[str]`): Names of weights that a checkpoint does not have.
        model (`nn.Module`): The model that they belong to.
    """
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    loaded_otherwise = set()
    for names_of_tensor in names.values():
        if not set(names_of_tensor) <= set(missing):
            loaded_otherwise.update(names_of_tensor)
    return [name for name in missing if name not in loaded_otherwise]
