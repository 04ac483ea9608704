"""The Hugging Face Hub: whether it can be reached, and the model card that goes there."""

import logging
import re
import shlex
import socket
import sys
import urllib.request
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlparse

import datasets
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData, constants


logger = logging.getLogger(__name__)

SECRET = "--(push[-_]to[-_])?hub[-_]token"
CARD = """---
{{ card_data }}
---

# {{ name }}

Trained with open_r1 ({{ stage }}, by TRL) from `{{ base }}` on `{{ dataset }}`.

{{ metrics }}

## Recipe

```bash
{{ command }}
```

<details><summary>All keys</summary>

```yaml
{{ recipe }}```

</details>

## Versions

{{ versions }}
"""


def go_offline_if_unreachable():
    """Uses the cache alone if the Hub does not answer, instead of half a minute of retries for every file."""
    hub = urlparse(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or hub.scheme in urllib.request.getproxies():
        return
    try:
        socket.create_connection((hub.hostname, hub.port or (443 if hub.scheme == "https" else 80)), timeout=3).close()
    except OSError as error:
        logger.warning("%s cannot be reached (%s); using what is in the local cache", constants.ENDPOINT, error)
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True


def write_card(output_dir: str, stage: str, recipe: dict, log_history: list[dict], samples: int | None):
    """Writes `README.md` into a checkpoint's folder.

    Args:
        output_dir (`str`): The checkpoint's folder.
        stage (`str`): Key of `STAGES`.
        recipe (`dict`): The keys that made the run, without secrets.
        log_history (`list[dict]`): What the trainer logged.
        samples (`int`, *optional*): Completions per held-out problem, if it was evaluated.
    """
    name, dataset = Path(output_dir).name, str(recipe.get("dataset_name"))
    base = str(recipe.get("model_name_or_path"))
    final = {key: value for entry in log_history for key, value in entry.items() if isinstance(value, int | float)}
    results = [
        EvalResult(
            "text-generation",
            dataset,
            dataset,
            f"avg@{samples}",
            final[key],
            dataset_split=recipe.get("dataset_test_split", "test"),
        )
        for key in ("eval_rewards/accuracy/mean",)
        if key in final
    ]
    data = ModelCardData(
        library_name="transformers",
        tags=["open-r1", "trl", stage],
        model_name=name,
        eval_results=results or None,
        base_model=None if ":" in base or Path(base).exists() else base,
    )
    shown = [(key, value) for key, value in sorted(final.items()) if key.startswith(("train_", "eval_reward", "eval_comp"))]
    rows = "\n".join(f"| `{key}` | {value:.4g} |" for key, value in shown)
    card = ModelCard.from_template(
        data,
        template_str=CARD,
        name=name,
        stage=stage,
        base=base,
        dataset=dataset,
        metrics=f"| metric | value |\n|---|---|\n{rows}",
        command=shlex.join(["accelerate", "launch", *without_secrets(sys.argv)]),
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        versions=", ".join(f"{package} {version(package)}" for package in ("trl", "transformers", "torch", "datasets")),
    )
    card.save(Path(output_dir) / "README.md")


def without_secrets(argv: list[str]) -> list[str]:
    """A command line whose tokens are blanked.

    >>> without_secrets(["--hub_token", "hf_x", "--seed", "1"])
    ['--hub_token', '***', '--seed', '1']
    """
    hidden = [re.fullmatch(SECRET, before) is not None for before in ["", *argv[:-1]]]
    return ["***" if hide or re.match(f"{SECRET}=", arg) else arg for hide, arg in zip(hidden, argv, strict=True)]
