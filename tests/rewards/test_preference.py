"""Reward models as rewards: which part of a completion they judge, and errors before training."""

import os
import pickle
import shutil

import pytest
from transformers import AutoModelForSequenceClassification
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled, set_hf_deepspeed_config

from open_r1.configs import RewardSpec
from open_r1.rewards import Composition
from open_r1.rewards.preference import Harmlessness, Helpfulness
from open_r1.utils.errors import RecipeError


class ZeRO3:
    """The part of DeepSpeed's configuration that transformers asks."""

    def is_zero3(self) -> bool:
        return True


PROMPT = [{"role": "user", "content": "write 3 a"}]


def test_helpfulness_judges_the_summary_and_harmlessness_the_full_completion(reward_model):
    texts = ["<think>so a</think>aaa", "<think>then b</think>aaa", "<think>so a</think>bbb"]
    helpful = Helpfulness(reward_model)(texts, [PROMPT] * 3)
    assert helpful[0] == pytest.approx(helpful[1]) and abs(helpful[0] - helpful[2]) > 1e-4
    harmless = Harmlessness(reward_model)(texts, [PROMPT] * 3)
    assert len({round(value, 6) for value in harmless}) == 3 and all(0 < value < 1 for value in harmless + helpful)


def test_no_summary_gives_0_and_no_completion_gives_none(reward_model):
    assert Helpfulness(reward_model)(["<think>so", "<think>so</think> ", None], [PROMPT] * 3) == [0.0, 0.0, None]


def test_batches_do_not_change_the_rewards(reward_model):
    texts = [f"<think>so</think>{'a' * length}" for length in (1, 40, 7, 22, 3)]
    together = Helpfulness(reward_model)(texts, [PROMPT] * 5)
    alone = [Helpfulness(reward_model, batch_size=1)([text], [PROMPT])[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)


def test_domains_select_one_of_both_for_each_row(reward_model):
    entries = [{"name": "helpfulness", "model": reward_model, "domain": "general-helpful"}]
    entries += [{"name": "harmlessness", "model": reward_model, "domain": "general-harmless"}]
    rewards = Composition(RewardSpec.parse_all([*entries, {"name": "accuracy", "domain": "math"}]))
    rewards.start()
    rows = rewards.score(
        ["<think>so</think>4"] * 3,
        prompts=[PROMPT] * 3,
        solution=["4", None, None],
        domain=["math", "general-helpful", "general-harmless"],
    )
    judged = [[value is not None for value in row] for row in rows]
    assert judged == [[False, True, False], [False, False, True], [True, False, False]] and rows[2][0] == 1.0


def test_pickles_without_its_model(reward_model):
    reward = Helpfulness(reward_model)
    reward.start()
    assert pickle.loads(pickle.dumps(reward))(["a"], [PROMPT]) == reward(["a"], [PROMPT])


def test_a_model_that_waits_on_the_cpu_gives_the_same_rewards(reward_model):
    offloaded = pickle.loads(pickle.dumps(Helpfulness(reward_model, offload=True)))
    texts = ["<think>so a</think>aaa", "<think>so"]
    assert offloaded(texts, [PROMPT] * 2) == Helpfulness(reward_model)(texts, [PROMPT] * 2)
    assert offloaded._loaded[0].device.type == "cpu"


def test_parameters_that_stay_on_each_device_are_counted(reward_model):
    model = AutoModelForSequenceClassification.from_pretrained(reward_model)
    assert Harmlessness(reward_model).count_parameters() == model.num_parameters()
    assert Harmlessness(reward_model, offload=True).count_parameters() == 0


def test_models_are_loaded_whole_although_the_policy_is_sharded(reward_model, monkeypatch):
    """transformers asks whether ZeRO-3 is on; the setting is that of the policy, and is still there afterwards."""
    config = ZeRO3()
    set_hf_deepspeed_config(config)
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
    Harmlessness(reward_model).start()
    assert is_deepspeed_zero3_enabled() and os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "true"
    with pytest.raises(RecipeError):
        Harmlessness("no/such/model").start()
    assert is_deepspeed_zero3_enabled()
    del config  # transformers holds a weak reference
    assert not is_deepspeed_zero3_enabled()


def test_errors_are_found_before_training(reward_model, checkpoint, tmp_path):
    def start(model):
        Composition(RewardSpec.parse_all([{"name": "helpfulness", "model": str(model)}])).start()

    with pytest.raises(RecipeError, match="'helpfulness' cannot start: no reward model in"):
        start(tmp_path / "nothing")
    with pytest.raises(RecipeError, match="has 2 outputs; expected a reward model, with one"):
        start(checkpoint)
    with pytest.raises(RecipeError, match="no chat template that keeps a thought"):
        AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=1).save_pretrained(tmp_path)
        shutil.copy(f"{checkpoint}/tokenizer.json", tmp_path)
        shutil.copy(f"{checkpoint}/tokenizer_config.json", tmp_path)
        start(tmp_path)
