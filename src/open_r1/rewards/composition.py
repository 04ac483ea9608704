"""The rewards of a recipe together, as TRL's GRPOTrainer calls them.

TRL sums the rewards of a row and leaves out each `None`, which is to count it as 0: beside a format reward, an answer that
nobody could judge would train as a wrong one. So the rewards are computed together, once a batch, and overlap:

- a reward with `domain` sees only its rows, in which alone it counts;
- a reward with `only_if` is 0 where the other one is not positive;
- a row that one of its judges could not judge gets `None` from every reward, so that it does not train, and is counted; too
  many of these among the last completions stop the run;
- where a shaping reward (format, length, language …) has nothing to say, the mean of the prompt's other completions stands in,
  which neither helps nor hurts.
"""

import asyncio
import inspect
import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from open_r1.configs import RewardSpec
from open_r1.grading.grader import shared_grader
from open_r1.rewards.registry import FROM_TRAINER, REWARDS, SHAPING, resolve
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import text_of


logger = logging.getLogger(__name__)

RECENT = 512  # completions over which the share of unjudged ones is watched
Row = list[float | None]


class Reward:
    """One reward of a recipe: its function, fed with what it expects, and never the end of a run.

    Args:
        spec (`RewardSpec`): Name, weight, domain, gate and parameters, from the recipe.

    Raises:
        RecipeError: If the name is unknown or the parameters do not fit.
    """

    def __init__(self, spec: RewardSpec):
        self.spec, self.label, self.function = spec, spec.label, resolve(spec)
        parameters = inspect.signature(self.function).parameters.values()
        needed = {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
        self.columns = needed - FROM_TRAINER | ({"domain"} if spec.domain else set())
        self.from_trainer = needed & FROM_TRAINER - {"completions"}
        self.graded = any(p.name == "solution" for p in parameters)
        self.judges = spec.name not in SHAPING
        call = self.function if inspect.isroutine(self.function) else type(self.function).__call__
        self.is_async = inspect.iscoroutinefunction(getattr(self.function, "func", call))
        # TRL's and one's own may want the main thread, for signals or for a library that is not safe in threads.
        self.in_thread = spec.name in REWARDS or self.is_async

    def __str__(self) -> str:
        domain = f" on {', '.join(self.spec.domain)}" if self.spec.domain else ""
        gate = f" if {self.spec.only_if}" if self.spec.only_if else ""
        return f"{self.spec.weight:g} × {self.label}{domain}{gate}"

    def __call__(self, completions: list, prefill: str, **kwargs) -> Row:
        try:
            if self.spec.name in REWARDS:
                completions = [prefill + text_of(completion) for completion in completions]
            elif self.spec.name.startswith("trl."):
                completions = [[{"role": "assistant", "content": prefill + text_of(c)}] for c in completions]
            rewards = self.function(completions=completions, **kwargs)
            rewards = list(asyncio.run(rewards) if self.is_async else rewards)
            if len(rewards) != len(completions):
                raise ValueError(f"returned {len(rewards)} rewards for {len(completions)} completions")
            rewards = [None if reward is None or not math.isfinite(reward) else float(reward) for reward in rewards]
        except Exception as error:  # a user's reward may raise anything; it must not end a run of days
            logger.warning("reward %r failed, this batch goes without it: %r", self.label, error)
            rewards = [None] * len(completions)
        return rewards


class Composition:
    """All rewards of a recipe; see the module.

    Args:
        specs (`list[RewardSpec]`): The rewards, in order.
        prefill (`str`, *optional*, defaults to `""`): What the prompt already holds of the completion, such as `<think>`.
        max_unjudged (`float`, *optional*, defaults to 1): Largest share of the last completions that may be left unjudged.

    >>> specs = RewardSpec.parse_all(["accuracy", {"name": "format", "only_if": "accuracy"}])
    >>> texts = ["<think>2+2</think><answer>4</answer>", "<think>2+2</think><answer>5</answer>", "<think>2+2</think>4"]
    >>> Composition(specs).score(texts, solution=["4"] * 3)
    [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    def __init__(self, specs: list[RewardSpec], prefill: str = "", max_unjudged: float = 1.0):
        self.rewards = [Reward(spec) for spec in specs]
        self.prefill, self.max_unjudged = prefill, max_unjudged
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._last: tuple[list, list[Row]] = ([], [])  # a batch's lists, and its rewards
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_lock": None, "_last": ([], [])}

    def __setstate__(self, state: dict):
        self.__dict__ = state | {"_lock": threading.Lock()}

    def __str__(self) -> str:
        return " + ".join(map(str, self.rewards))

    def start(self):
        """Makes the judges ready: the grader warms up, a reward with a `start` of its own starts.

        Raises:
            RecipeError: If one of them cannot.
        """
        if any(reward.graded and reward.in_thread for reward in self.rewards):
            shared_grader().workers.start()
        for reward in self.rewards:
            if callable(start := getattr(reward.function, "start", None)):
                try:
                    start()
                except Exception as error:
                    raise RecipeError(f"reward_funcs: {reward.label!r} cannot start: {error}") from error

    def for_trainer(self) -> list["Column"]:
        """One callable a reward, for `GRPOTrainer(reward_funcs=…)`: TRL weights, sums and logs each. Judges are started."""
        self.start()
        return [Column(self, index) for index in range(len(self.rewards))]

    def column(self, index: int, completions: list, **kwargs) -> Row:
        """One reward of a batch; whichever is asked for first computes all."""
        lists = [completions, *(value for value in kwargs.values() if isinstance(value, list))]
        with self._lock:
            if list(map(id, lists)) != list(map(id, self._last[0])):  # TRL hands the same objects to every reward
                self._last = (lists, self.score(completions, **kwargs))
            return self._last[1][index]

    def score(self, completions: list, log_metric: Callable | None = None, **columns) -> list[Row]:
        """The rewards of a batch, one list a reward, in the order of the recipe.

        Args:
            completions (`list`): Texts or messages; `None` is an unjudged row.
            columns: Columns of the data set, one value a completion, and what else TRL passes.

        Raises:
            RecipeError: If too many of the last completions could not be judged.
        """
        domains = columns.get("domain") or [None] * len(completions)
        mine = [
            [
                i
                for i, c in enumerate(completions)
                if c is not None and (not r.spec.domain or domains[i] in r.spec.domain)
            ]
            for r in self.rewards
        ]
        rows = self._call(mine, completions, columns | {"log_metric": log_metric})
        judged = [c is not None for c in completions]
        for reward, indices, row in zip(self.rewards, mine, rows, strict=True):
            for i in indices:
                judged[i] &= row[i] is not None or not reward.judges
        for reward, indices, row in zip(self.rewards, mine, rows, strict=True):
            if not reward.judges:
                _stand_in(row, indices, columns.get("prompts"))
        rows = [self._gated(reward, row, rows, mine) for reward, row in zip(self.rewards, rows, strict=True)]
        self._log(rows, mine, judged, log_metric)
        return [[value if ok else None for value, ok in zip(row, judged, strict=True)] for row in rows]

    def _gated(self, reward: Reward, row: Row, rows: list[Row], mine: list[list[int]]) -> Row:
        """A row with 0 where its gate is not positive; where the gate is not for a row, it does not count."""
        if not reward.spec.only_if:
            return row
        gate = next(index for index, other in enumerate(self.rewards) if other.label == reward.spec.only_if)
        shut = {i for i in mine[gate] if (rows[gate][i] or 0) <= 0}
        return [0.0 if value is not None and i in shut else value for i, value in enumerate(row)]

    def _call(self, mine: list[list[int]], completions: list, columns: dict) -> list[Row]:
        """Every reward on its rows: ours and asynchronous ones in threads, the rest here, one after another, meanwhile."""

        def run(index: int) -> Row:
            indices, row = mine[index], [None] * len(completions)
            if not indices:
                return row
            part = {key: _some(value, indices, len(completions)) for key, value in columns.items()}
            if part.get("log_extra"):
                part["log_extra"] = lambda name, values, log=columns["log_extra"]: log(
                    name, _spread(values, indices, len(row), "")
                )
            if columns.get("log_metric") is None:
                part.pop("log_metric", None)
            return _spread(
                self.rewards[index]([completions[i] for i in indices], self.prefill, **part), indices, len(row), None
            )

        with ThreadPoolExecutor(len(self.rewards)) as pool:
            futures = {i: pool.submit(run, i) for i, reward in enumerate(self.rewards) if reward.in_thread}
            here = {i: run(i) for i in range(len(self.rewards)) if i not in futures}
            return [here[i] if i in here else futures[i].result() for i in range(len(self.rewards))]

    def _log(self, rows: list[Row], mine: list[list[int]], judged: list[bool], log_metric: Callable | None):
        if log_metric is not None:
            for reward, indices, row in zip(self.rewards, mine, rows, strict=True):
                log_metric(f"rewards/{reward.label}/none", sum(row[i] is None for i in indices) / max(1, len(indices)))
            log_metric("rewards/unjudged", judged.count(False) / max(1, len(judged)))
        self._recent.extend(judged)
        bad = self._recent.count(False)
        if len(self._recent) == RECENT and bad > self.max_unjudged * RECENT:
            names = [
                r.label
                for r, indices, row in zip(self.rewards, mine, rows, strict=True)
                if r.judges and None in [row[i] for i in indices]
            ]
            raise RecipeError(
                f"max_unjudged: {bad} of the last {RECENT} completions could not be judged by {', '.join(names) or 'any reward'}; at "
                f"most {self.max_unjudged:.0%} may be. The log says why. If a reward is for some rows only, give it a `domain`."
            )


class Column:
    """One reward as TRL calls it."""

    def __init__(self, composition: Composition, index: int):
        self.composition, self.index = composition, index
        self.__name__ = composition.rewards[index].label

    def __call__(self, completions: list, **kwargs) -> Row:
        return self.composition.column(self.index, completions, **kwargs)


def _some(value: object, indices: list[int], rows: int) -> object:
    return [value[i] for i in indices] if isinstance(value, list) and len(value) == rows else value


def _spread(values: list, indices: list[int], rows: int, empty: object) -> list:
    row = [empty] * rows
    for i, value in zip(indices, values, strict=True):
        row[i] = value
    return row


def _stand_in(row: Row, indices: list[int], prompts: list | None):
    """Fills what a shaping reward left open with the mean over the same prompt's completions, where there is one."""
    open_rows = [i for i in indices if row[i] is None]
    groups: dict[str, list[float]] = {}
    for i in indices if open_rows and prompts else []:
        if row[i] is not None:
            groups.setdefault(str(prompts[i]), []).append(row[i])
    for i in open_rows if prompts else []:
        group = groups.get(str(prompts[i]))
        row[i] = sum(group) / len(group) if group else None
