"""The rewards of a recipe together, as TRL's `GRPOTrainer` calls them.

TRL calls one reward function after another, and sums their weighted rewards of a completion. It leaves out `None`,
which amounts to counting it as 0: beside a format reward, an answer that nobody could judge would train as a wrong
one. A `Composition` therefore computes all rewards of a batch at once, and hands them out to TRL one by one
(`RewardFunction`). For each batch it

1. calls every reward on the rows that it is for (its `domain`), all of them at the same time;
2. finds the rows that one of their judges could not judge;
3. fills the gaps of shaping rewards (format, length, language …) with the mean of the prompt's other completions,
   which neither helps nor hurts;
4. sets a reward with `only_if` to 0 where that other reward is not positive;
5. logs the share of unjudged rows, and stops the run if it gets too large;
6. gives the unjudged rows `None` from every reward, so that they do not train.
"""

import asyncio
import functools
import inspect
import logging
import math
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from open_r1.configs import RewardSpec
from open_r1.grading import shared_grader
from open_r1.rewards.registry import FROM_TRAINER, REWARDS, SHAPING, required_parameters, resolve
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import text_of


logger = logging.getLogger(__name__)

WATCHED = 512  # the last completions, of which at most a share of `max_unjudged` may be unjudged
Scores = list[float | None]  # what a reward returns: one score per completion


class Reward:
    """One reward of a recipe, and what is known about its function.

    Args:
        spec (`RewardSpec`): Name, weight, domain, gate and parameters, from the recipe.

    Attributes:
        label (`str`): The name in TRL's metrics.
        columns (`set[str]`): Data set columns that the function needs.
        trainer_columns (`set[str]`): What it needs of the things that TRL passes beside the columns.
        takes_solution (`bool`): Whether it looks at the column `solution`, if there is one.
        is_shaping (`bool`): Whether it says how a completion looks rather than whether it is right.

    Raises:
        RecipeError: If the name is unknown or the parameters do not fit.
    """

    def __init__(self, spec: RewardSpec):
        self.spec = spec
        self.label = spec.label
        self.function = resolve(spec)
        parameters = inspect.signature(self.function).parameters
        required = required_parameters(self.function)
        self.columns = required - FROM_TRAINER
        if spec.domain:
            self.columns.add("domain")
        self.trainer_columns = required & FROM_TRAINER
        self.trainer_columns.discard("completions")
        self.takes_solution = "solution" in parameters
        self.is_registered = spec.name in REWARDS
        self.is_shaping = spec.name in SHAPING
        self.is_async = _is_async(self.function)
        # Other rewards stay in the main thread, for the sake of signals and of libraries that are not safe in threads.
        self.runs_in_thread = self.is_registered or self.is_async

    def __str__(self) -> str:
        text = f"{self.spec.weight:g} × {self.label}"
        if self.spec.domain:
            text += f" on {', '.join(self.spec.domain)}"
        if self.spec.only_if:
            text += f" if {self.spec.only_if}"
        return text

    def score_rows(
        self,
        completions: list,
        prefill: str,
        columns: dict,
    ) -> "BatchScores":
        """Scores the rows of a batch that this reward is for.

        Args:
            completions (`list`): All completions of the batch.
            prefill (`str`): What the prompt already holds of the completions.
            columns (`dict`): All columns of the batch, and whatever else TRL passes.
        """
        rows = self._select_rows(completions, columns.get("domain"))
        scores: Scores = [None] * len(completions)
        if rows:
            selected = [completions[row] for row in rows]
            kwargs = _select_columns(columns, rows, len(completions))
            selected_scores = self._call(selected, prefill, kwargs)
            for row, score in zip(rows, selected_scores, strict=True):
                scores[row] = score
        return BatchScores(self, rows, scores)

    def _select_rows(self, completions: list, domains: list | None) -> list[int]:
        """The rows with a completion and one of the reward's domains."""
        rows = []
        for row, completion in enumerate(completions):
            domain = domains[row] if domains else None
            if completion is not None and (not self.spec.domain or domain in self.spec.domain):
                rows.append(row)
        return rows

    def _call(
        self,
        completions: list,
        prefill: str,
        kwargs: dict,
    ) -> Scores:
        """Calls the function. If it fails, the run goes on, and none of the completions is judged."""
        try:
            scores = self.function(completions=self._convert(completions, prefill), **kwargs)
            if self.is_async:
                scores = asyncio.run(scores)
            scores = list(map(_finite_or_none, scores))
            if len(scores) != len(completions):
                raise ValueError(f"returned {len(scores)} rewards for {len(completions)} completions")
        except Exception as error:  # a user's reward may raise anything; that must not end a run of days
            logger.warning("reward %r failed, this batch goes without it: %r", self.label, error)
            return [None] * len(completions)
        return scores

    def _convert(self, completions: list, prefill: str) -> list:
        """Completions in the form that the function takes: ours get text, TRL's messages, a user's what TRL passes."""
        is_trl = self.spec.name.startswith("trl.")
        if not self.is_registered and not is_trl:
            return completions
        converted = []
        for completion in completions:
            text = prefill + text_of(completion)
            if is_trl:
                converted.append([{"role": "assistant", "content": text}])
            else:
                converted.append(text)
        return converted


@dataclass
class BatchScores:
    """What one reward says about a batch.

    Args:
        reward (`Reward`): The reward.
        rows (`list[int]`): The rows that it is for.
        scores (`list[float | None]`):
            One score per completion of the whole batch; `None` where the reward could not judge, and in rows that it
            is not for.
    """

    reward: Reward
    rows: list[int]
    scores: Scores

    @property
    def unjudged_rows(self) -> list[int]:
        """The rows that the reward is for but could not judge."""
        return [row for row in self.rows if self.scores[row] is None]

    @property
    def non_positive_rows(self) -> list[int]:
        """The rows that the reward is for and gives nothing above 0: where it closes as a gate."""
        rows = []
        for row in self.rows:
            score = self.scores[row]
            if score is None or score <= 0:
                rows.append(row)
        return rows

    def fill_gaps(self, prompts: list | None) -> None:
        """Sets unjudged rows to the mean over the judged completions of the same prompt, if there are any."""
        gaps = self.unjudged_rows
        if not gaps or not prompts:
            return
        groups: dict[str, list[float]] = defaultdict(list)
        for row in self.rows:
            if self.scores[row] is not None:
                groups[str(prompts[row])].append(self.scores[row])
        for row in gaps:
            group = groups[str(prompts[row])]
            if group:
                self.scores[row] = sum(group) / len(group)

    def set_to_zero(self, rows: Iterable[int]) -> None:
        """Sets scores to 0, but for those that are `None`."""
        for row in rows:
            if self.scores[row] is not None:
                self.scores[row] = 0.0

    def drop_unjudged(self, judged: list[bool]) -> None:
        """Sets scores to `None` in all rows that a judge could not judge."""
        for row, is_judged in enumerate(judged):
            if not is_judged:
                self.scores[row] = None


class Composition:
    """All rewards of a recipe; see the module docstring for what it does with a batch.

    Args:
        specs (`list[RewardSpec]`): The rewards, in order.
        prefill (`str`, *optional*, defaults to `""`):
            What the prompt already holds of the completion, such as `<think>`.
        max_unjudged (`float`, *optional*, defaults to 1):
            Largest share of the last 512 completions that may be unjudged.

    >>> specs = RewardSpec.parse_all(["accuracy", {"name": "format", "only_if": "accuracy"}])
    >>> texts = ["<think>2+2</think><answer>4</answer>", "<think>2+2</think><answer>5</answer>", "<think>2+2</think>4"]
    >>> Composition(specs).score(texts, solution=["4"] * 3)
    [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        specs: list[RewardSpec],
        prefill: str = "",
        max_unjudged: float = 1.0,
    ):
        self.rewards = [Reward(spec) for spec in specs]
        self.prefill = prefill
        self.max_unjudged = max_unjudged
        self._last_judged: deque[bool] = deque(maxlen=WATCHED)
        self._last_batch: ScoredBatch | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_lock": None, "_last_batch": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__ = state | {"_lock": threading.Lock()}

    def __str__(self) -> str:
        return " + ".join(map(str, self.rewards))

    def check(self) -> None:
        """Checks that the judges can start: calls each reward's method `check`, which must not need much memory.

        Raises:
            RecipeError: If one of them cannot start.
        """
        self._call_hooks("check")

    def start(self) -> None:
        """Makes the judges ready: starts the grader's processes, and calls each reward's method `start`.

        Raises:
            RecipeError: If one of them cannot start.
        """
        if any(reward.takes_solution and reward.runs_in_thread for reward in self.rewards):
            shared_grader().workers.start()
        self._call_hooks("start")

    def _call_hooks(self, name: str) -> None:
        """Calls a method without arguments of all rewards that have it."""
        for reward in self.rewards:
            hook = getattr(reward.function, name, None)
            if not callable(hook):
                continue
            try:
                hook()
            except Exception as error:
                raise RecipeError(f"reward_funcs: {reward.label!r} cannot start: {error}") from error

    def for_trainer(self) -> list["RewardFunction"]:
        """Starts the judges, and returns one function per reward for `GRPOTrainer(reward_funcs=…)`.

        TRL weights, sums and logs their rewards.
        """
        self.start()
        return [RewardFunction(self, index) for index in range(len(self.rewards))]

    def score_for_trainer(
        self,
        index: int,
        completions: list,
        **kwargs,
    ) -> Scores:
        """The scores of one reward. All rewards are computed when TRL asks for the first one of a batch."""
        lists = [completions]
        for argument in kwargs.values():
            if isinstance(argument, list):
                lists.append(argument)
        with self._lock:
            if self._last_batch is None or not self._last_batch.is_made_of(lists):
                self._last_batch = ScoredBatch(lists, self.score(completions, **kwargs))
            return self._last_batch.scores[index]

    def score(
        self,
        completions: list,
        log_metric: Callable | None = None,
        **columns,
    ) -> list[Scores]:
        """Scores a batch.

        Args:
            completions (`list`): Completions as text or messages; `None` is an unjudged row.
            log_metric (`Callable`, *optional*): TRL's function that logs a metric of the batch, by name and value.
            columns: Columns of the data set, one value per completion, and whatever else TRL passes.

        Returns:
            `list[list[float | None]]`: The scores of each reward, in the order of the recipe.

        Raises:
            RecipeError: If too many of the last completions could not be judged.
        """
        if log_metric is not None:
            columns["log_metric"] = log_metric
        results = self._call_rewards(completions, columns)
        judged = _find_judged_rows(results, completions)
        for result in results:
            if result.reward.is_shaping:
                result.fill_gaps(columns.get("prompts"))
        _apply_gates(results)
        if log_metric is not None:
            _log_unjudged(results, judged, log_metric)
        self._stop_if_too_many_unjudged(results, judged)
        for result in results:
            result.drop_unjudged(judged)
        return [result.scores for result in results]

    def _call_rewards(self, completions: list, columns: dict) -> list[BatchScores]:
        """Calls all rewards: ours and asynchronous ones in threads, the others meanwhile in this one, one by one."""
        results: dict[Reward, BatchScores] = {}
        futures = {}
        with ThreadPoolExecutor(len(self.rewards)) as pool:
            for reward in self.rewards:
                if reward.runs_in_thread:
                    futures[reward] = pool.submit(reward.score_rows, completions, self.prefill, columns)
            for reward in self.rewards:
                if not reward.runs_in_thread:
                    results[reward] = reward.score_rows(completions, self.prefill, columns)
            for reward, future in futures.items():
                results[reward] = future.result()
        return [results[reward] for reward in self.rewards]

    def _stop_if_too_many_unjudged(self, results: list[BatchScores], judged: list[bool]) -> None:
        self._last_judged.extend(judged)
        unjudged = self._last_judged.count(False)
        if len(self._last_judged) < WATCHED or unjudged <= self.max_unjudged * WATCHED:
            return
        failing = []
        for result in results:
            if result.unjudged_rows and not result.reward.is_shaping:
                failing.append(result.reward.label)
        raise RecipeError(
            f"max_unjudged: {unjudged} of the last {WATCHED} completions could not be judged by "
            f"{', '.join(failing) or 'any reward'}; at most {self.max_unjudged:.0%} may be. The log says why. "
            "If a reward is for some rows only, give it a `domain`."
        )


class RewardFunction:
    """One reward of a composition, as an item of `GRPOTrainer(reward_funcs=…)`.

    Args:
        composition (`Composition`): All rewards of the recipe.
        index (`int`): Which of them this one is.
    """

    def __init__(self, composition: Composition, index: int):
        self.composition = composition
        self.index = index
        self.__name__ = composition.rewards[index].label  # TRL's metrics are called `rewards/<name>/mean`

    def __call__(self, completions: list, **kwargs) -> Scores:
        return self.composition.score_for_trainer(self.index, completions, **kwargs)


@dataclass
class ScoredBatch:
    """The last batch that was scored, and its scores.

    TRL passes the very same list objects to each reward function of a batch, and new ones with the next batch. So a
    batch is recognised by the identity of its lists, which is cheap, rather than by their contents. The lists are kept
    here because an object that is gone may be followed by another one with the same identity.

    Args:
        lists (`list[list]`): The completions and all columns.
        scores (`list[list[float | None]]`): The scores of each reward.
    """

    lists: list[list]
    scores: list[Scores]

    def is_made_of(self, lists: list[list]) -> bool:
        """Whether these lists are the same objects as the batch's."""
        if len(lists) != len(self.lists):
            return False
        return all(one is other for one, other in zip(lists, self.lists, strict=True))


def _is_async(function: Callable) -> bool:
    """Whether a function, a partial of one, or a callable object is a coroutine function."""
    if isinstance(function, functools.partial):
        function = function.func
    elif not inspect.isroutine(function):
        function = type(function).__call__
    return inspect.iscoroutinefunction(function)


def _finite_or_none(score: float | None) -> float | None:
    if score is None or not math.isfinite(score):
        return None
    return float(score)


def _select_columns(
    columns: dict,
    rows: list[int],
    batch_size: int,
) -> dict:
    """The keyword arguments of a reward that sees only some rows of the batch.

    Columns are cut to these rows. What the reward gives to TRL's `log_extra` is extended to the whole batch.
    """
    kwargs = {}
    for name, value in columns.items():
        if isinstance(value, list) and len(value) == batch_size:
            value = [value[row] for row in rows]
        kwargs[name] = value
    if kwargs.get("log_extra") is not None:
        kwargs["log_extra"] = functools.partial(_log_extra, columns["log_extra"], rows, batch_size)
    return kwargs


def _log_extra(
    log_extra: Callable,
    rows: list[int],
    batch_size: int,
    name: str,
    values: list,
) -> None:
    """Logs a column of TRL's table of completions that only some rows have values for."""
    column = [""] * batch_size
    for row, value in zip(rows, values, strict=True):
        column[row] = value
    log_extra(name, column)


def _find_judged_rows(results: list[BatchScores], completions: list) -> list[bool]:
    """Which rows have a completion that none of their judges failed on; shaping rewards do not judge."""
    judged = [completion is not None for completion in completions]
    for result in results:
        if not result.reward.is_shaping:
            for row in result.unjudged_rows:
                judged[row] = False
    return judged


def _apply_gates(results: list[BatchScores]) -> None:
    """Sets rewards with `only_if` to 0 where that other reward is not positive.

    Rows that the other reward is not for stay as they are. All gates are read before any score is set, so the order of
    the recipe does not matter.
    """
    non_positive_rows = {}
    for result in results:
        non_positive_rows[result.reward.label] = result.non_positive_rows
    for result in results:
        gate = result.reward.spec.only_if
        if gate is not None:
            result.set_to_zero(non_positive_rows[gate])


def _log_unjudged(
    results: list[BatchScores],
    judged: list[bool],
    log_metric: Callable,
) -> None:
    for result in results:
        share = len(result.unjudged_rows) / max(1, len(result.rows))
        log_metric(f"rewards/{result.reward.label}/none", share)
    log_metric("rewards/unjudged", judged.count(False) / max(1, len(judged)))
