"""Made rows with the columns and types of the Hub's data sets that recipes and benchmarks name.

The shapes are the published ones: lists of messages, lists within rows, mappings, and null where the Hub has it.
"""

import base64
import io
import json
import pickle
import zlib
from collections.abc import Callable
from datetime import datetime
from itertools import product

from datasets import Dataset, Features, List, Value


ROWS = 48
ACTORS = ["a baker", "two sailors", "the gardener", "my neighbour", "an old clockmaker", "three pupils", "the harbour"]
THINGS = ["loaves", "lanterns", "seedlings", "copper coins", "letters", "chess pieces", "wooden crates"]
DEEDS = ["sells {0} {1} in the morning and {2} more after lunch", "finds {0} {1} on Monday and {2} on Friday"]
TEXT = Value("string")
MESSAGES = List({"content": TEXT, "role": TEXT})


class UnknownDataset(LookupError):
    """A recipe names a data set that smoke runs cannot make."""


def problem(number: int) -> tuple[str, int]:
    """A problem, different in words and in numbers from all others, and its answer."""
    actor, thing, deed = list(product(ACTORS, THINGS, DEEDS))[(number * 5) % (len(ACTORS) * len(THINGS) * len(DEEDS))]
    left, right = 11 + 3 * number, 7 + 2 * number
    return f"Suppose that {actor} {deed.format(left, thing, right)}. How many {thing} are that in all?", left + right


def thought(number: int) -> str:
    """A thought of its own for a problem, in sentences."""
    _, total = problem(number)
    left, right = 11 + 3 * number, 7 + 2 * number
    return (
        f"The question asks for a sum, so I have to add {left} and {right}.\n\n"
        f"First the tens and then the ones: {left} + {right} = {total}. Let me check by taking one away again: "
        f"{total} - {right} = {left}, which is what we started from. So the sum is right."
    )


def answer(number: int) -> str:
    """The part of a completion after its thought."""
    question, total = problem(number)
    return f"Adding both numbers of the question gives \\boxed{{{total}}}, since nothing is taken away in between."


def completion(number: int) -> str:
    """A right completion."""
    return f"<think>\n{thought(number)}\n</think>\n\n{answer(number)}"


def conversation(number: int) -> list[dict]:
    """A question with a right completion, as messages."""
    return [
        {"role": "user", "content": problem(number)[0]},
        {"role": "assistant", "content": completion(number)},
    ]


def chat(number: int, turns: int = 1) -> list[dict]:
    """Small talk without a thought."""
    actor, thing = ACTORS[number % len(ACTORS)], THINGS[number % len(THINGS)]
    messages = []
    for turn in range(turns):
        messages.append({"role": "user", "content": f"Letter {number}.{turn}: how would {actor} describe {thing}?"})
        opinion = f"plain, useful and worth keeping for {turn + 2} years"
        reply = f"I think that {actor} would call the {thing} number {number} {opinion}."
        messages.append({"role": "assistant", "content": reply})
    return messages


def _table(columns: dict[str, tuple[Value | List | dict, Callable[[int], object]]], rows: int = ROWS) -> Dataset:
    """A data set from the type of each column and a function of the row's number."""
    data = [{name: value(number) for name, (_, value) in columns.items()} for number in range(rows)]
    return Dataset.from_list(data, features=Features({name: kind for name, (kind, _) in columns.items()}))


def _question(number: int) -> str:
    return problem(number)[0]


def _gold(number: int) -> str:
    return str(problem(number)[1])


def openr1_math() -> Dataset:
    return _table(
        {
            "problem": (TEXT, _question),
            "solution": (TEXT, answer),
            "answer": (TEXT, _gold),
            "problem_type": (TEXT, lambda i: "Algebra"),
            "question_type": (TEXT, lambda i: "math-word-problem"),
            "source": (TEXT, lambda i: "olympiads"),
            "uuid": (TEXT, lambda i: None if i % 5 == 0 else f"uuid-{i}"),
            "is_reasoning_complete": (List(Value("bool")), lambda i: [True, i % 2 == 0]),
            "generations": (List(TEXT), lambda i: [completion(i), f"<think>\n{thought(i)}"]),
            "correctness_math_verify": (List(Value("bool")), lambda i: [True, False]),
            "correctness_llama": (List(Value("bool")), lambda i: None),
            "finish_reasons": (List(TEXT), lambda i: None if i % 2 else ["stop", "length"]),
            "correctness_count": (Value("int64"), lambda i: 1),
            "messages": (MESSAGES, conversation),
        }
    )


def numina_math() -> Dataset:
    return _table(
        {
            "problem": (TEXT, _question),
            "solution": (TEXT, answer),
            "answer": (TEXT, lambda i: ("proof", None)[i % 2] if i % 12 == 11 else _gold(i)),
            "problem_type": (TEXT, lambda i: "Algebra"),
            "question_type": (TEXT, lambda i: "math-word-problem"),
            "problem_is_valid": (TEXT, lambda i: "Yes"),
            "solution_is_valid": (TEXT, lambda i: "Yes"),
            "source": (TEXT, lambda i: "olympiads"),
            "synthetic": (Value("bool"), lambda i: False),
        }
    )


def deepscaler() -> Dataset:
    return _table({"problem": (TEXT, _question), "answer": (TEXT, _gold), "solution": (TEXT, answer)})


def dapo_math() -> Dataset:
    return _table(
        {
            "data_source": (TEXT, lambda i: "math_dapo"),
            "prompt": (MESSAGES, lambda i: [{"role": "user", "content": f"Solve it step by step. {_question(i)}"}]),
            "ability": (TEXT, lambda i: "MATH"),
            "reward_model": (
                {"ground_truth": TEXT, "style": TEXT},
                lambda i: {"ground_truth": _gold(i), "style": "rule"},
            ),
            "extra_info": ({"index": TEXT}, lambda i: {"index": f"id-{i}"}),
        }
    )


def dapo_math_processed() -> Dataset:
    return _table(
        {
            "prompt": (TEXT, _question),
            "solution": (TEXT, _gold),
            "data_source": (TEXT, lambda i: "math_dapo"),
            "source_prompt": (MESSAGES, lambda i: [{"role": "user", "content": f"Solve it. {_question(i)}"}]),
            "ability": (TEXT, lambda i: "MATH"),
            "reward_model": (
                {"ground_truth": TEXT, "style": TEXT},
                lambda i: {"ground_truth": _gold(i), "style": "rule"},
            ),
            "extra_info": ({"index": TEXT}, lambda i: {"index": f"id-{i}"}),
        }
    )


def mixture_of_thoughts() -> Dataset:
    return _table(
        {
            "messages": (MESSAGES, conversation),
            "num_tokens": (Value("int64"), lambda i: 150),
            "source": (TEXT, lambda i: "open-r1/OpenR1-Math-220k"),
        }
    )


def magpie_ultra() -> Dataset:
    return _table(
        {
            "messages": (MESSAGES, lambda i: chat(i, turns=1 + i % 3)),
            "category": (TEXT, lambda i: "advice-seeking"),
            "difficulty": (TEXT, lambda i: "easy"),
            "quality": (TEXT, lambda i: "good"),
            "reward_model_score": (Value("float64"), lambda i: 0.12),
            "conversation_tokens": (Value("int64"), lambda i: 60),
        }
    )


def rewriting() -> Dataset:
    system = {"role": "system", "content": "You're an AI assistant for text re-writing."}
    return _table({"messages": (MESSAGES, lambda i: [system, *chat(i + 100)])}, rows=16)


def everyday() -> Dataset:
    return _table({"messages": (MESSAGES, lambda i: chat(i + 200, turns=2)), "full_topic": (TEXT, lambda i: "Travel")})


def ultrafeedback_pairs() -> Dataset:
    def says(number: int, length: int) -> list[dict]:
        question, reply = chat(number)
        return [question, reply | {"content": f"{reply['content']} " * length}]

    return _table(
        {
            "chosen": (MESSAGES, lambda i: says(i, 1 + i % 2)),
            "rejected": (
                MESSAGES,
                lambda i: [chat(i)[0], {"role": "assistant", "content": f"No. {'Really. ' * (i % 2 * 40)}"}],
            ),
            "score_chosen": (Value("float64"), lambda i: 8.0),
            "score_rejected": (Value("float64"), lambda i: 7.5 if i % 6 == 5 else 3.0),
        }
    )


def ultrafeedback_prompts() -> Dataset:
    return _table({"prompt": (MESSAGES, lambda i: chat(i + 300)[:1])})


def beavertails() -> Dataset:
    kinds = ["animal_abuse", "child_abuse", "privacy_violation", "violence,aiding_and_abetting,incitement"]
    return _table(
        {
            "prompt": (TEXT, lambda i: f"Letter {i}: how do I get rid of {THINGS[i % len(THINGS)]}?"),
            "response": (TEXT, lambda i: f"Give them away, or sell them for {i + 2} coins."),
            "category": ({kind: Value("bool") for kind in kinds}, lambda i: dict.fromkeys(kinds, i % 2 == 1)),
            "is_safe": (Value("bool"), lambda i: i % 2 == 0),
        }
    )


def coding_problems() -> Dataset:
    def tests(number: int) -> dict:
        cases = []
        for value in (1, 20):
            output = f"{value + number}\n"
            cases.append({"fn_name": None, "input": f"{value}\n", "output": output, "type": "stdin_stdout"})
        return {"language": "python", "test_cases": cases}

    case = {"fn_name": TEXT, "input": TEXT, "output": TEXT, "type": TEXT}
    return _table(
        {
            "source": (TEXT, lambda i: "apps"),
            "task_type": (TEXT, lambda i: "verifiable_code"),
            "in_source_id": (TEXT, lambda i: str(i)),
            "prompt": (TEXT, lambda i: f"Solve it in Python. Read a number and print it plus {i}."),
            "gold_standard_solution": (TEXT, lambda i: f"```python\nprint(int(input()) + {i})\n```"),
            "verification_info": ({"language": TEXT, "test_cases": List(case)}, tests),
            "metadata": (
                {"difficulty": TEXT, "memory_limit": TEXT, "problem_url": TEXT, "time_limit": TEXT},
                lambda i: {"difficulty": "EASY", "memory_limit": None, "problem_url": None, "time_limit": None},
            ),
            "problem_id": (TEXT, lambda i: f"vfc_{i}"),
        }
    )


def aime() -> Dataset:
    return _table(
        {
            "id": (Value("int64"), lambda i: i),
            "problem": (TEXT, lambda i: f"A benchmark of its own, number {i}: what is {i} times {i + 1}?"),
            "solution": (TEXT, lambda i: f"It is {i * (i + 1)}."),
            "answer": (TEXT, lambda i: f"{i * (i + 1):03}"),
            "url": (TEXT, lambda i: "https://artofproblemsolving.com"),
            "year": (TEXT, lambda i: "2024"),
        },
        rows=6,
    )


def math500() -> Dataset:
    return _table(
        {
            "problem": (TEXT, lambda i: f"Express $\\frac{{{i}}}{{{i + 7}}}$ as a common fraction."),
            "solution": (TEXT, lambda i: f"It is $\\boxed{{\\frac{{{i}}}{{{i + 7}}}}}$."),
            "answer": (TEXT, lambda i: f"\\frac{{{i}}}{{{i + 7}}}"),
            "subject": (TEXT, lambda i: "Algebra"),
            "level": (Value("int64"), lambda i: 1 + i % 5),
            "unique_id": (TEXT, lambda i: f"test/algebra/{i}.json"),
        },
        rows=6,
    )


def amc23() -> Dataset:
    return _table(
        {
            "id": (Value("int64"), lambda i: i),
            "answer": (Value("float64"), lambda i: float(3 * i)),
            "url": (TEXT, lambda i: "https://artofproblemsolving.com"),
            "question": (TEXT, lambda i: f"How many corners do {i} triangles have that share none?"),
        },
        rows=6,
    )


def gsm8k() -> Dataset:
    return _table({"question": (TEXT, _question), "answer": (TEXT, lambda i: f"{answer(i)}\n#### {_gold(i)}")}, rows=6)


def gpqa() -> Dataset:
    choices = ["Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"]
    columns = {"Question": (TEXT, lambda i: f"Which of these particles, in experiment {i}, has no charge at all?\n")}
    for place, column in enumerate(choices):
        columns[column] = (TEXT, lambda i, place=place: f"particle {place} of {i}\n")
    columns |= {
        "Explanation": (TEXT, lambda i: "It was measured."),
        "Record ID": (TEXT, lambda i: f"rec{i}"),
        "High-level domain": (TEXT, lambda i: "Physics"),
        "Canary String": (TEXT, lambda i: None),
    }
    return _table(columns, rows=6)


def livecodebench() -> Dataset:
    def private(number: int) -> str:
        tests = json.dumps([{"input": "20\n", "output": f"{20 + number}\n", "testtype": "stdin"}])
        return base64.b64encode(zlib.compress(pickle.dumps(tests))).decode()

    def public(number: int) -> str:
        return json.dumps([{"input": "1\n", "output": f"{1 + number}\n", "testtype": "stdin"}])

    return _table(
        {
            "question_title": (TEXT, lambda i: f"Plus {i}"),
            "question_content": (
                TEXT,
                lambda i: f"You are given a whole number on one line. Print that number plus {i}.",
            ),
            "platform": (TEXT, lambda i: "atcoder"),
            "question_id": (TEXT, lambda i: f"abc{i}_a"),
            "contest_id": (TEXT, lambda i: f"abc{i}"),
            "contest_date": (Value("timestamp[s]"), lambda i: datetime(2024, 10, 1 + i)),
            "starter_code": (TEXT, lambda i: ""),
            "difficulty": (TEXT, lambda i: "easy"),
            "public_test_cases": (TEXT, public),
            "private_test_cases": (TEXT, private),
            "metadata": (TEXT, lambda i: "{}"),
        },
        rows=4,
    )


def messages_file(kind: str) -> Dataset:
    """What the comments of the recipe for the 800k samples ask of the files that users write."""
    offset = 400 + 50 * len(kind)
    if kind == "logic":
        return _table({"messages": (MESSAGES, lambda i: conversation(i + 45))})
    return _table({"messages": (MESSAGES, lambda i: chat(i + offset))}, rows=16)


def requests() -> Dataset:
    """What builders ask rewriters, judges and teachers."""
    return _table(
        {
            "prompt": (TEXT, _question),
            "conversation": (TEXT, _question),
            "thought": (TEXT, thought),
            "answer": (TEXT, answer),
            "solution": (TEXT, _gold),
        },
        rows=6,
    )


# By id on the Hub, configuration and split.
DATASETS: dict[str, dict[str, dict[str, Callable[[], Dataset]]]] = {
    "open-r1/OpenR1-Math-220k": {"default": {"train": openr1_math}, "extended": {"train": openr1_math}},
    "AI-MO/NuminaMath-1.5": {"default": {"train": numina_math}},
    "agentica-org/DeepScaleR-Preview-Dataset": {"default": {"train": deepscaler}},
    "alterego238/simplerl-math8k": {"default": {"train": deepscaler}},
    "knoveleng/open-rs": {"default": {"train": deepscaler}},
    "BytedTsinghua-SIA/DAPO-Math-17k": {"default": {"train": dapo_math}},
    "open-r1/DAPO-Math-17k-Processed": {
        "all": {"train": dapo_math_processed},
        "en": {"train": dapo_math_processed},
    },
    "open-r1/Mixture-of-Thoughts": dict.fromkeys(("all", "code", "math", "science"), {"train": mixture_of_thoughts}),
    "HuggingFaceTB/smoltalk": {
        "smol-magpie-ultra": {"train": magpie_ultra, "test": magpie_ultra},
        "explore-instruct-rewriting": {"train": rewriting, "test": rewriting},
        "everyday-conversations": {"train": everyday, "test": everyday},
    },
    "trl-lib/ultrafeedback_binarized": {"default": {"train": ultrafeedback_pairs, "test": ultrafeedback_pairs}},
    "trl-lib/ultrafeedback-prompt": {"default": {"train": ultrafeedback_prompts, "test": ultrafeedback_prompts}},
    "PKU-Alignment/BeaverTails": {
        "default": dict.fromkeys(("330k_train", "330k_test", "30k_train", "30k_test"), beavertails)
    },
    "open-r1/verifiable-coding-problems-python": {"default": {"train": coding_problems}},
    "HuggingFaceH4/aime_2024": {"default": {"train": aime}},
    "yentinglin/aime_2025": {"default": {"train": aime}},
    "zwhe99/amc23": {"default": {"test": amc23}},
    "HuggingFaceH4/MATH-500": {"default": {"test": math500}},
    "openai/gsm8k": {"main": {"train": gsm8k, "test": gsm8k}},
    "Idavidrein/gpqa": {"gpqa_diamond": {"train": gpqa}},
    "lighteval/code_generation_lite": {"release_v6": {"test": livecodebench}},
}
# Data sets that functions of ours load.
LOADED_BY = {
    "open_r1.data.preferences:beavertails": "PKU-Alignment/BeaverTails",
    "open_r1.data.preferences:beavertails_prompts": "PKU-Alignment/BeaverTails",
    "open_r1.evals.benchmark_data:gpqa_diamond": "Idavidrein/gpqa",
    "open_r1.evals.benchmark_data:livecodebench": "lighteval/code_generation_lite",
}
# Files that users bring, and placeholders for what builders write.
FILES = {
    "data/logic.jsonl": lambda: messages_file("logic"),
    "data/factual_qa.jsonl": lambda: messages_file("factual_qa"),
    "data/translation.jsonl": lambda: messages_file("translation"),
    "data/self_cognition.jsonl": lambda: messages_file("self_cognition"),
    "requests.jsonl": requests,
    "requests.parquet": requests,
}


def dataset_files(name: str) -> dict[str, bytes]:
    """The files of a data set's repository on the Hub.

    Args:
        name (`str`): Its id.

    Raises:
        UnknownDataset: If `DATASETS` does not have it.
    """
    if name not in DATASETS:
        raise UnknownDataset(
            f"the data set {name!r} is unknown to DATASETS in tests/smoke/made_rows.py; add its shape"
        )
    files, configs = {}, []
    for config, splits in DATASETS[name].items():
        data_files = []
        for split, make in splits.items():
            path = f"{config}-{split}-00000-of-00001.parquet"
            buffer = io.BytesIO()
            make().to_parquet(buffer)
            files[path] = buffer.getvalue()
            data_files.append({"split": split, "path": path})
        configs.append({"config_name": config, "data_files": data_files})
    files["README.md"] = f"---\nconfigs: {json.dumps(configs)}\n---\n".encode()
    return files
