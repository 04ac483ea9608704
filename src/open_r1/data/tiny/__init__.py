"""The embedded task: everything a miniature R1 needs, made from a seed, nothing downloaded.

The task is the last digit of a nested chain such as `((3*7)+5)*2`. Answering at once is hard for a small model and
going step by step is easy, so thinking pays, as in the paper. All intermediate results are last digits too: `3*7=1 so
1+5=6 so 6*2=2`.

- `problems`: the task, and the "web text" that a base model is pre-trained on, with the faults that the paper
  describes (§2.2, §2.3).
- `search`: a second task, in which one has to try, check and try again, with a base model of its own (§2.2.4).
- `general`: requests that need no reasoning, some of which should be refused; what people prefer; what is safe
  (§2.3.3, §2.3.4).
- `models`: the tokenizer, a base model and a smaller student.

A row is a pure function of seed, split and index. The checksum of a problem or request decides whether it belongs to
`test`, whatever the seed, so nothing of `test` ever occurs in `train`.

Used by recipes as `dataset_name: open_r1.data.tiny:problems` and `model_name_or_path: open_r1.data.tiny:base_model`.
"""

from open_r1.data.tiny.general import chat, pairs, requests, safety
from open_r1.data.tiny.models import base_model, student_model, tokenizer
from open_r1.data.tiny.problems import QUESTION, Problem, answer, problem, problems, trace, web_text


__all__ = [
    "QUESTION",
    "Problem",
    "answer",
    "base_model",
    "chat",
    "pairs",
    "problem",
    "problems",
    "requests",
    "safety",
    "student_model",
    "tokenizer",
    "trace",
    "web_text",
]
