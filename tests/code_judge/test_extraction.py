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


WHOLE = {  # programs with fences or tags in their strings and comments
    "docstring": 'def f():\n    """\n    ```\n    f()\n    ```\n    """\n    return 1\nprint(f())\n',
    "docstring with a tagged fence": 'def f():\n    """\n    ```python\n    f()\n    ```\n    """\nprint(f())\n',
    "docstring of the module": "'''\n```\nx\n```\n'''\nprint(1)\n",
    "one fence in a string": "s = '''\n```\n'''\nprint(1)\n",
    "escaped quotes": "s = '''\n\\'''\n```\n'''\nprint(1)\n",
    "fence in a line": "print('```')\nprint(\"```\")  # no ```\n",
    "end of the thought": "print('</think>')\n",
    "start of the thought": "print('<think>')\n",
    "both": "import re\nprint(re.sub(r'<think>.*</think>', '', input()))\n",
    "f-string": 'x = 1\nprint(f"<think>{x}</think>")\n',
    "comment": "# the text after </think>\nprint(1)\n",
    "docstring with a tag": '"""\n</think>\n"""\nprint(1)\n',
    "end of the answer": "print('</answer>')\n",
    "apostrophes": "print(\"it's\")  # don't\nprint('\"')\n",
}


@pytest.mark.parametrize("name", WHOLE)
def test_fences_and_tags_in_strings_are_part_of_the_program(name):
    program = WHOLE[name]
    block = f"```python\n{program}```"
    completions = [
        f"<think>Easy.</think>\n{block}",
        f"<think>Easy.</think>{block}\nIt's done.",
        f"<think>\n```python\n{B}```\nThat's it.</think>\n{block}\nIt prints\n```\n1\n```",
        f"<think>Easy.</think><answer>\n{block}\n</answer>",
    ]
    for completion in completions:
        assert extract_program(completion, "python") == program


def test_fences_in_comments_and_tags_in_strings_of_cpp():
    programs = [
        "/*\n```\nx\n```\n*/\nint main() {}\n",
        'int main() { puts("</think>"); }\n',
        "int x = 1'000;\n",
    ]
    for program in programs:
        assert extract_program(f"<think>Easy.</think>\n```cpp\n{program}```\nDone.", "cpp") == program


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("```python\nprint(1)```", "print(1)"),
        ("```python\nx = 1\nprint(x)```\nIt prints 1.", "x = 1\nprint(x)"),
        ("```python\nprint(1)  ``` \nIt prints 1.", "print(1)  "),
        ("```python\nprint(1)  # done```\nIt prints 1.", "print(1)  # done"),
        ("```\nprint(1)```\nIt prints 1.", "print(1)"),
    ],
)
def test_a_fence_at_the_end_of_a_line_of_code(completion, program):
    assert extract_program(completion, "python") == program


@pytest.mark.parametrize(
    "completion",
    [
        f"```python\ns = '''never ended\n```\nBetter:\n```python\n{A}```",  # the first one is not Python
        f"```python\ns = '''never ended\n```\nBetter:\n```python\n{A}```\n```text\n'''\n```",
        f"Wrap it in ''':\n```python\n{A}```\n'''",
        f"<think>```python\nx = 'a'  # done</think>\n```python\n{A}```",  # a real end of the thought
        f"<think>```python\nprint('</think>')\n```\nGood.</think>\n```python\n{A}```",
        f"```python\n{A}```\nDon't write ```x``` here, it's bad.",
    ],
)
def test_quotes_outside_of_programs(completion):
    assert extract_program(completion, "python") == A


def test_a_tag_in_the_code_of_a_thought_does_not_end_it():
    assert extract_program("<think>\n```python\nprint('</think>')\n```\nSo", "python") is None


@pytest.mark.parametrize("blank", ["\ufeff", "\u00a0", "\u200b", "\u202f"])
def test_byte_order_marks_and_no_break_spaces_around_the_program(blank):
    for completion in (
        f"```python\n{blank}{A}```",
        f"{blank}```python\n{A}```{blank}\nIt prints 1.",
        f"```python{blank}\n{A}{blank}\n{blank}```",
    ):
        assert extract_program(completion, "python").rstrip() == A.rstrip()
    before_lines = f"```python\n{blank}for i in range(2):\n{blank}    {A}{blank}{A}```"
    assert extract_program(before_lines, "python") == f"for i in range(2):\n    {A}{A}"
    assert extract_program(f"```python\n\n{blank}{A}{A}```", "python").lstrip("\n") == A + A
    indented = extract_program(f"```python\nif 1:\n{blank}    print('a{blank}b'){blank}\n```", "python")
    assert indented.split("print")[1].strip() == f"('a{blank}b')"
    compile(indented, "main.py", "exec")


@pytest.mark.parametrize(
    "text",
    [
        "```python\n" + "'''\n```x\n" * 20_000,
        "```python\n'''\n```\n" * 20_000,
        "```python\n'''\n```\n'''\n" * 20_000,
        "```python\n" + "\\'" * 200_000,
        "```python\n''' \\'''\n" * 20_000,
        "```python\n# " + "`" * 200_000 + "x",
        "```python\n" + "# ```\n" * 50_000,
        "```python\n" + "``` " * 100_000,
        "```cpp\n/*\n" * 20_000,
        "</think>```python\n" + "'</think>'\n" * 50_000 + "```",
        "```python\n\u00a0" + " " * 10**6 + "x" + " " * 10**6 + "x",
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
