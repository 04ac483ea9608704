"""Completions as text, whatever form they come in."""


def text_of(completion: str | list[dict] | None) -> str | None:
    """A completion as text, whether TRL hands it over as a string or as messages (with the thought parsed out or not).

    >>> text_of([{"role": "assistant", "content": "4", "reasoning_content": "2+2"}])
    '<think>2+2</think>4'
    """
    if completion is None or isinstance(completion, str):
        return completion
    parts = []
    for message in completion:
        if message.get("role", "assistant") != "assistant":  # what a tool or a user said is not the model's answer
            continue
        if message.get("reasoning_content"):
            parts.append(f"<think>{message['reasoning_content']}</think>")
        content = message.get("content") or ""
        parts.append(content if isinstance(content, str) else "".join(part.get("text") or "" for part in content))
    return "".join(parts)


def all_turns(value: str | list[dict] | None) -> str:
    """A text, or all that is said in a conversation, whoever says it.

    >>> all_turns([{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}])
    '1+1? 2'
    """
    if isinstance(value, list):
        return " ".join(text_of([turn | {"role": "assistant"}]) for turn in value)
    return value or ""
