"""A server with OpenAI's API that answers as the recipes' large models should: teachers, judges and policies."""

import json
import re

import openai_server
from made_rows import ROWS, completion, problem


PROGRAM = re.compile(r"Print that number plus (\d+)")
FRACTION = re.compile(r"Express \$(\\frac\{\d+\}\{\d+\})\$")
PRODUCT = re.compile(r"what is (\d+) times (\d+)")
OPENS_THOUGHT = re.compile(r"deepseek-ai/DeepSeek-R1(?!-Zero)")  # the template of these models does
WRONG = 4  # one completion of so many is wrong, so that there is something to select


def answer_request(request: dict, golds: dict[str, str]) -> str:
    """The text of the answer to a request for a completion of a prompt or of a chat.

    Args:
        request (`dict`): The request.
        golds (`dict[str, str]`): The answers to further questions.
    """
    messages = request.get("messages") or [{"content": request.get("prompt")}]
    text = "\n".join(str(message["content"]) for message in messages)
    reply = _reply(text, golds)
    if request["seed"] % WRONG == 0:
        reply = re.sub(r"\\boxed\{\d+\}", r"\\boxed{1}", reply)
        reply = re.sub(r"<answer>\d+", "<answer>-1", reply)
    if OPENS_THOUGHT.match(request["model"]):
        reply = reply.removeprefix("<think>")
    return reply


def _reply(text: str, golds: dict[str, str]) -> str:
    if "Reply with one JSON object" in text:
        return json.dumps({"analysis": "Both name the same number.", "correctness": "correct"})
    if program := PROGRAM.search(text):
        return _with_thought(f"```python\nprint(int(input()) + {program[1]})\n```")
    if fraction := FRACTION.search(text):
        return _with_thought(f"It is $\\boxed{{{fraction[1]}}}$.")
    if product := PRODUCT.search(text):
        return _with_thought(f"It is \\boxed{{{int(product[1]) * int(product[2])}}}.")
    for number in range(ROWS):
        if problem(number)[0] in text:
            return completion(number)
    for question, gold in golds.items():
        if question in text:
            return _with_thought(f"<answer>{gold}</answer>")
    return _with_thought(f"Here is what I would say about it: {text[-120:].strip()} \\boxed{{A}}")


def _with_thought(answer: str) -> str:
    return f"<think>\nI read the request again and decide what it asks for, step by step.\n</think>\n\n{answer}"


class _Handler(openai_server.Handler):
    def do_GET(self):
        self.answer(200, {"object": "list", "data": []})  # any model


def start_server(golds: dict[str, str]) -> openai_server.Server:
    """Starts the server on a free port.

    Args:
        golds (`dict[str, str]`): The answers to questions that are not made by `made_rows`.
    """
    server = openai_server.Server(reply=lambda request: answer_request(request, golds))
    server.RequestHandlerClass = _Handler
    return server
