"""Extracting the program from a completion."""

import time

import pytest

from open_r1.code_judge.extraction import extract_program


A, B = "print(1)\n", "print(2)\n"

FOUND = [  # completion
    f"```python\n{A}```",
    f"<think>```python\n{B}```</think>\n```python\n{A}```",
    f"```python\n{B}```\nBetter:\n```python\n{A}```",
    f"```py\n{A}```",
    f"```Python3\n{A}```",
    f"```Python \n{A}```",
    f"``` python\n{A}```",
    f"```{{.python}}\n{A}```",
    f'```python title="a.py"\n{A}```',
    f"```\n{A}```",  # no tag
    f"~~~python\n{A}~~~",
    f"````python\n{A}````",
    f"```python\n{A}",  # never closed
    f"```python\n{B}\n```python\n{A}```",  # the first one never closed
    f"<answer>\n```python\n{A}```\n</answer>",
    f"<answer>```python\n{A}```</answer>",
    f"```python\n{B}```\n<answer>\n```python\n{A}```\n</answer>",
    f"<answer>\n```python\n{A}</answer>",
    f"```python\n{A}```\nIt prints\n```\n1\n```",  # an example of its output
    f"```python\n{A}```\nCompile nothing:\n```bash\npython a.py\n```",
    f"```python\n{A}```\nIn C++:\n```cpp\nint main(){{}}\n```",
    f"```python\n{A}```\n```python\n\n```",  # an empty block is ignored
    f"1. Code:\n\n   ```python\n   {A}   ```",  # inside a list
    f"```python\n{A}```".replace("\n", "\r\n"),
]


@pytest.mark.parametrize("completion", FOUND)
def test_program_found(completion):
    assert extract_program(completion, "python") == A


NONE = [
    "",
    "print(1)",
    "The answer is 4.",
    f"<think>```python\n{A}```",  # the thought never closes
    f"<think>```python\n{A}```</think>It prints 1.",
    f"```cpp\n{A}```",
    f"```text\n{A}```",
    f"```python\n{A}```\n<answer>print(1)</answer>",  # the answer has no code block
    "```python\n```",
    "use ``` to open ```",
]


@pytest.mark.parametrize("completion", NONE)
def test_no_program(completion):
    assert extract_program(completion, "python") is None


@pytest.mark.parametrize("tag", ["cpp", "c++", "C++", "cc", "cxx", "c++17", ""])
def test_tags_of_cpp(tag):
    assert extract_program(f"```{tag}\nint main(){{}}\n```", "cpp") == "int main(){}\n"


def test_a_program_may_contain_a_shorter_fence():
    text = "````python\ns = '''\n```python\n'''\n````"
    assert extract_program(text, "python") == "s = '''\n```python\n'''\n"


@pytest.mark.parametrize(
    "text",
    [
        "```python\n" * 20_000,
        "```\n" * 20_001,
        "`" * 10**6,
        "~~~\n```\n" * 20_000,
        " " * 10**6 + "```",
        "```" + " " * 10**6 + "`",
    ],
)
def test_takes_linear_time(text):
    started = time.process_time()
    extract_program(text, "python")
    assert time.process_time() - started < 1
