"""The model card (README.md): what was trained, how well it performs, how to use it and how to reproduce it."""

import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from open_r1.utils.imports import is_function
from open_r1.utils.version import version_and_commit


CARD = """---
{{ card_data }}
---

# {{ name }}

This is `{{ base }}` after {{ method }} on `{{ dataset }}`, trained with open_r1 and
[TRL](https://github.com/huggingface/trl).

{{ metrics }}

{{ usage }}

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

## Citations

```bibtex
{{ citations }}
```
"""

METHODS = {
    "sft": "supervised fine-tuning",
    "grpo": "reinforcement learning with verifiable rewards (GRPO)",
    "reward_model": "reward modelling",
    "distillation": "on-policy distillation",
}

USAGE = """## Use

```python
from transformers import pipeline

generator = pipeline("text-generation", model="{repo}")
prompt = {prompt}
print(generator(prompt, max_new_tokens=2048, return_full_text=False)[0]["generated_text"])
```

or with vLLM, as an OpenAI-compatible server:

```bash
vllm serve {repo}
```
"""

REWARD_MODEL_USAGE = """## Use

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{repo}")
model = AutoModelForSequenceClassification.from_pretrained("{repo}")
messages = [{{"role": "user", "content": "What is 7 * 8?"}}, {{"role": "assistant", "content": "56"}}]
inputs = tokenizer.apply_chat_template(messages, return_dict=True, return_tensors="pt")
print(model(**inputs).logits.item())
```
"""

DEEPSEEK_R1 = """@article{deepseekai2025deepseekr1,
  title   = {{DeepSeek-R1: Incentivizing Reasoning Capability in LLMs via Reinforcement Learning}},
  author  = {DeepSeek-AI},
  journal = {arXiv preprint arXiv:2501.12948},
  year    = {2025}
}"""

GRPO = """@article{shao2024deepseekmath,
  title   = {{DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models}},
  author  = {Shao, Zhihong and Wang, Peiyi and Zhu, Qihao and others},
  journal = {arXiv preprint arXiv:2402.03300},
  year    = {2024}
}"""

TRL = """@software{vonwerra2020trl,
  title  = {{TRL: Transformers Reinforcement Learning}},
  author = {von Werra, Leandro and Belkada, Younes and Tunstall, Lewis and others},
  url    = {https://github.com/huggingface/trl},
  year   = {2020}
}"""

ACCURACY = "eval_rewards/accuracy/mean"
# The logged metrics that the card shows, and their names there.
METRICS = {
    "eval_reward": "reward, held out",
    ACCURACY: "accuracy, held out",
    "eval_rewards/format/mean": "format reward, held out",
    "eval_completions/mean_length": "tokens of a completion, held out, mean",
    "eval_completions/clipped_ratio": "share of truncated completions, held out",
    "eval_accuracy": "accuracy on pairs, held out",
    "eval_mean_token_accuracy": "token accuracy, held out",
    "eval_loss": "loss, held out",
    "train_loss": "training loss, mean",
    "train_steps": "optimizer steps",
    "train_runtime": "training time in seconds",
}


def write_model_card(
    folder: Path,
    name: str,
    stage: str,
    recipe: dict[str, Any],
    data: str,
    log_history: list[dict[str, Any]],
    samples: int | None,
    repo: str | None = None,
) -> None:
    """Writes `README.md` into a model's folder.

    Args:
        folder (`Path`): The folder.
        name (`str`): The model's name.
        stage (`str`): The key of `STAGES`.
        recipe (`dict`): The keys that the recipe and the command line set.
        data (`str`): Description of the training data.
        log_history (`list[dict]`): What the trainer logged.
        samples (`int`, *optional*): Completions per held-out problem, if it was evaluated.
        repo (`str`, *optional*): The Hub repository, for the usage snippet. With `None`, the snippet names the folder.
    """
    base = str(recipe.get("model_name_or_path"))
    dataset = str(recipe.get("dataset_name") or data)
    metrics = last_metrics(log_history)
    card_data = ModelCardData(
        library_name="transformers",
        tags=["open-r1", "trl", stage],
        model_name=name,
        license=recipe.get("license"),
        base_model=base if is_hub_model(base) else None,
        eval_results=_eval_results(recipe, dataset, metrics, samples),
    )
    card = ModelCard.from_template(
        card_data,
        template_str=CARD,
        name=name,
        method=METHODS.get(stage, stage),
        base=base,
        dataset=data,
        metrics=_metrics_table(metrics),
        usage=_usage(stage, recipe, repo or recipe.get("output_dir") or str(folder)),
        command=shlex.join(["accelerate", "launch", *sys.argv]),
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        versions=_versions(),
        citations="\n\n".join([DEEPSEEK_R1, GRPO, TRL] if stage == "grpo" else [DEEPSEEK_R1, TRL]),
    )
    card.save(folder / "README.md")


def is_hub_model(name: str) -> bool:
    """Whether a model's name is a Hub id, rather than a folder or a function that builds one."""
    return not is_function(name) and not Path(name).exists()


def last_metrics(log_history: list[dict[str, Any]]) -> dict[str, float]:
    """The last value of each metric that the trainer logged."""
    metrics = {}
    for entry in log_history:
        for key, value in entry.items():
            if isinstance(value, int | float):
                metrics[key] = value
    return metrics


def _eval_results(
    recipe: dict[str, Any], dataset: str, metrics: dict[str, float], samples: int | None
) -> list[EvalResult] | None:
    """The held-out accuracy, in the form that the Hub's leaderboards read."""
    if ACCURACY not in metrics:
        return None
    result = EvalResult(
        task_type="text-generation",
        dataset_type=dataset,
        dataset_name=dataset,
        dataset_split=recipe.get("dataset_test_split", "test"),
        metric_type=f"avg@{samples}",
        metric_value=metrics[ACCURACY],
    )
    return [result]


def _usage(stage: str, recipe: dict[str, Any], model: str) -> str:
    """The section that shows how to load the model and what a prompt looks like."""
    if stage == "reward_model":
        return REWARD_MODEL_USAGE.format(repo=model)
    prompt = '[{"role": "user", "content": "What is 7 * 8?"}]'
    if recipe.get("prompt_template"):
        prompt = f'"What is 7 * 8?"  # written as in {recipe["prompt_template"]}'
    return USAGE.format(repo=model, prompt=prompt)


def _metrics_table(metrics: dict[str, float]) -> str:
    lines = ["| metric | value |", "|---|---|"]
    for key, name in METRICS.items():
        is_empty_loss = key == "eval_loss" and "eval_reward" in metrics  # meaningless for completions
        if key in metrics and not is_empty_loss:
            lines.append(f"| {name} | {metrics[key]:.4g} |")
    if len(lines) == 2:
        return ""
    return "\n".join(lines)


def _versions() -> str:
    libraries = [f"{library} {version(library)}" for library in ("trl", "transformers", "torch", "datasets")]
    return ", ".join([*version_and_commit(), *libraries])
