"""The chat command uses the prompt format of training and streams its answers."""

import io
import shutil

import pytest
import yaml


@pytest.fixture
def trained(checkpoint, tmp_path):
    """A checkpoint with the `recipe.yaml` that `grpo.py` writes into its folder."""
    folder = tmp_path / "trained"
    folder.symlink_to(checkpoint)
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"prompt_template": "recipes/prompts/tiny.jinja"}))
    yield folder
    recipe.unlink()


def test_answers_one_question_with_the_recipes_template(script, trained):
    answers = [script("chat", trained, "--question", "1+1 = ?", "--max_new_tokens", 8, "--seed", 1) for _ in range(2)]
    assert answers[0].code == 0, answers[0].err
    assert answers[0].out.strip()
    assert answers[0].out == answers[1].out, "the same seed gives the same answer"


def test_conversation_ends_with_quit(script, trained, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("1+1 = ?\n/new\n\n2+2 = ?\n/quit\nnever read\n"))
    outcome = script("chat", trained, "--max_new_tokens", 4, "--temperature", 0)
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("> ") == 5, "a prompt for each line until /quit"


def test_conversation_has_several_turns_with_a_chat_template(checkpoint, monkeypatch):
    monkeypatch.setattr(
        "sys.argv", ["chat", checkpoint, "--chat_template_path", "recipes/chat_templates/tiny_chat.jinja"]
    )
    from open_r1.chat import Chat, parse_arguments

    args = parse_arguments()
    args.max_new_tokens = 4
    chat = Chat(args)
    chat.answer("1+1 = ?")
    chat.answer("2+2 = ?")
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "user", "assistant"]
    chat.start_over()
    assert chat.messages == []


def test_penalty_of_the_models_generation_config_is_not_used(checkpoint, tmp_path, monkeypatch):
    """Qwen2.5's generation config, for one, has a penalty of 1.05."""
    from open_r1.chat import Chat, parse_arguments

    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    (tmp_path / "generation_config.json").write_text('{"repetition_penalty": 5.0}')
    template = ["--chat_template_path", "recipes/chat_templates/tiny_chat.jinja"]
    answers = []
    for model in (checkpoint, tmp_path):
        monkeypatch.setattr(
            "sys.argv", ["chat", str(model), *template, "--temperature", "0", "--max_new_tokens", "16"]
        )
        chat = Chat(parse_arguments())
        chat.answer("(3*7)+5=")
        answers.append(chat.messages[-1]["content"])
    assert answers[0] == answers[1]


def test_missing_template_is_an_error_that_names_the_options(script, checkpoint):
    outcome = script("chat", checkpoint, "--question", "1+1 = ?")
    assert outcome.code == 1
    assert "chat_template_path" in outcome.err and "prompt_template" in outcome.err


def test_missing_checkpoint_names_the_command_that_trains_it(script):
    outcome = script("chat", "outputs/tiny/distill_rl")
    assert outcome.code == 1
    assert "config_distill_rl.yaml" in outcome.err


def test_missing_template_file_is_named(script, trained):
    (trained / "recipe.yaml").write_text(yaml.safe_dump({"prompt_template": "no/such.jinja"}))
    outcome = script("chat", trained, "--question", "1+1 = ?")
    assert outcome.code == 1
    assert "prompt_template: no file 'no/such.jinja'" in outcome.err
