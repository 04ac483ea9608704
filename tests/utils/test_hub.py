"""The model card, and what never goes into it."""

import yaml
from huggingface_hub import ModelCard

from open_r1.utils.hub import without_secrets, write_card


def test_card_carries_recipe_and_metrics(tmp_path):
    recipe = {"model_name_or_path": "Qwen/Qwen2.5-1.5B", "dataset_name": "a/b", "seed": 7}
    write_card(
        str(tmp_path),
        "grpo",
        recipe,
        [{"step": 0, "eval_rewards/accuracy/mean": 0.1}, {"eval_rewards/accuracy/mean": 0.75}],
        4,
    )
    card = ModelCard.load(tmp_path / "README.md")
    assert yaml.safe_load(card.text.split("```yaml")[1].split("```")[0]) == recipe
    assert card.data.base_model == "Qwen/Qwen2.5-1.5B"
    result = card.data.eval_results[0]
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("avg@4", 0.75, "a/b")


def test_tokens_are_blanked():
    argv = ["x.py", "--hub_token", "hf_a", "--hub-token=hf_b", "--eos_token", "<eos>"]
    assert without_secrets(argv) == ["x.py", "--hub_token", "***", "***", "--eos_token", "<eos>"]
