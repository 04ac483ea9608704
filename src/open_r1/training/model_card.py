"""The model card (README.md, as the Hub shows it): what was trained, how well it does, and how to make it again."""

import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from open_r1.utils.version import version_and_commit


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


def write_model_card(
    folder: Path, name: str, stage: str, recipe: dict, data: str, log_history: list[dict], samples: int | None
):
    """Writes `README.md` into a model's folder.

    Args:
        folder (`Path`): The folder.
        name (`str`): The model's.
        stage (`str`): Key of `STAGES`.
        recipe (`dict`): The keys that made the run.
        data (`str`): What it was trained on, in words.
        log_history (`list[dict]`): What the trainer logged.
        samples (`int`, *optional*): Completions per held-out problem, if it was evaluated.
    """
    dataset, base = str(recipe.get("dataset_name") or data), str(recipe.get("model_name_or_path"))
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
    card_data = ModelCardData(
        library_name="transformers",
        tags=["open-r1", "trl", stage],
        model_name=name,
        eval_results=results or None,
        base_model=None if ":" in base or Path(base).exists() else base,
    )
    shown = [
        (key, value) for key, value in sorted(final.items()) if key.startswith(("train_", "eval_reward", "eval_comp"))
    ]
    rows = "\n".join(f"| `{key}` | {value:.4g} |" for key, value in shown)
    card = ModelCard.from_template(
        card_data,
        template_str=CARD,
        name=name,
        stage=stage,
        base=base,
        dataset=data,
        metrics=f"| metric | value |\n|---|---|\n{rows}",
        command=shlex.join(["accelerate", "launch", *sys.argv]),
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        versions=", ".join(
            [
                *version_and_commit(),
                *(f"{each} {version(each)}" for each in ("trl", "transformers", "torch", "datasets")),
            ]
        ),
    )
    card.save(folder / "README.md")
