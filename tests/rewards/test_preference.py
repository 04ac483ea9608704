"""Reward models as rewards: which part of a completion they judge, and errors before training."""

import pickle
import shutil

import pytest
from transformers import AutoModelForSequenceClassification

from open_r1.configs import RewardSpec
from open_r1.rewards import Composition
from open_r1.rewards.preference import Harmlessness, Helpfulness
from open_r1.utils.errors import RecipeError


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
