"""Combines the rewards of a recipe for TRL's `GRPOTrainer`.

TRL calls one reward function after another and sums their weighted rewards. It skips `None`, which has the same effect
as a reward of 0: combined with a format reward, an answer that could not be judged would be trained on as if it were
wrong. A `Composition` therefore computes all rewards of a batch at once and passes them to TRL one by one
(`RewardFunction`). For each batch it

1. calls all rewards in parallel, each on the rows of its `domain`;
2. finds the rows that could not be judged;
3. fills the gaps of shaping rewards (format, length, language …) with the mean of the other completions of the same
   prompt, or else of the batch, which is neutral;
4. sets a reward with `only_if` to 0 where the reward it depends on is not positive;
5. logs the share of unjudged rows, and stops the run if it gets too large;
6. sets all rewards of unjudged rows to `None`, so that these rows are not trained on.
"""

import asyncio
import functools
import inspect
import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from open_r1.configs import RewardSpec
from open_r1.grading import shared_grader
from open_r1.rewards.failures import CallCount
from open_r1.rewards.registry import FROM_TRAINER, REWARDS, SHAPING, required_parameters, resolve
from open_r1.rewards.scores import Scores, to_scores
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import text_of


logger = logging.getLogger(__name__)

WATCHED = 512  # number of last completions to which the limit `max_unjudged` applies


class Reward:
    """One reward of a recipe, with its function and the inputs that the function needs.

    Args:
        spec (`RewardSpec`): Name, weight, domain, gate and parameters, from the recipe.

    Attributes:
        label (`str`): Name in TRL's metrics.
        columns (`set[str]`): Data set columns that the function needs.
        trainer_columns (`set[str]`): Arguments that it needs from TRL besides the data set columns.
        takes_solution (`bool`): Whether it takes the column `solution`.
        is_shaping (`bool`): Whether it scores the form of a completion rather than whether it is right.
        calls (`CallCount`): How often it was called, and how often it raised an exception.

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
        self.bound_parameters: set[str] = set()  # of a function, which a column of the same name does not replace
        if isinstance(self.function, functools.partial):
            self.bound_parameters.update(self.function.keywords)
        self.is_registered = spec.name in REWARDS
        self.is_shaping = spec.name in SHAPING
        self.is_async = _is_async(self.function)
        self.calls = CallCount(self.label)
        # TRL's and users' rewards run in the main thread: they may use signals or libraries that are not thread-safe.
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
        """Scores the rows of a batch to which this reward applies.

        Args:
            completions (`list`): All completions of the batch.
            prefill (`str`): Beginning of the completions that is part of the prompt, such as `<think>`.
            columns (`dict`): All columns of the batch, and everything else that TRL passes.
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

    def probe(
        self,
        completions: list,
        prefill: str,
        columns: dict,
    ) -> Scores:
        """Scores the rows of a batch to which this reward applies, and raises whatever the function raises.

        Takes the arguments of `score_rows`.

        Returns:
            `list[float | None]`: Scores of these rows only.
        """
        rows = self._select_rows(completions, columns.get("domain"))
        selected = [completions[row] for row in rows]
        return self._evaluate(selected, prefill, _select_columns(columns, rows, len(completions)))

    def _select_rows(self, completions: list, domains: list | None) -> list[int]:
        """The rows that have a completion and belong to one of the reward's domains."""
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
        """Calls the function. If it raises an exception, the run continues and all scores are `None`."""
        try:
            scores = self._evaluate(completions, prefill, kwargs)
        except RecipeError:
            raise
        except (Exception, SystemExit) as error:  # a user's reward may raise anything, and must not end a long run

            def score_one(row: int) -> None:
                self._evaluate([completions[row]], prefill, _select_row(kwargs, row, len(completions)))

            self.calls.add_failure(error, completions, _step_of(kwargs), score_one)
            return [None] * len(completions)
        self.calls.add_success()
        is_training = "log_metric" in kwargs
        if is_training and not self.is_shaping:
            judged_by = {name: kwargs[name] for name in sorted(self.columns)}
            self.calls.explain_none(scores, completions, judged_by, _step_of(kwargs))
        return scores

    def _evaluate(
        self,
        completions: list,
        prefill: str,
        kwargs: dict,
    ) -> Scores:
        """Calls the function, and checks that it returns one number or `None` per completion."""
        copies = {}  # a function may change its arguments, which others need after it
        for name, value in kwargs.items():
            if name not in self.bound_parameters:
                copies[name] = _copy(value)
        returned = self.function(completions=self._convert(completions, prefill), **copies)
        if self.is_async:
            returned = asyncio.run(returned)
        try:
            return to_scores(returned, len(completions))
        except RecipeError as error:
            raise RecipeError(f"reward_funcs: {self.label!r} {error}.") from error

    def _convert(self, completions: list, prefill: str) -> list:
        """Converts completions for the function: text for our rewards, messages for TRL's, unchanged for a user's."""
        is_trl = self.spec.name.startswith("trl.")
        if not self.is_registered and not is_trl:
            return _copy(completions)
        converted = []
        for completion in completions:
            text = prefill + text_of(completion)
            if is_trl:
                converted.append([{"role": "assistant", "content": text}])
            else:
                converted.append(text)
        return converted


def _copy(value: Any) -> Any:
    """A copy of lists and mappings, and of those within them, such as the messages of completions."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if not any(isinstance(item, list | dict) for item in value):  # such as many token ids
        return list(value)
    return [_copy(item) for item in value]


@dataclass
class BatchScores:
    """The scores of one reward for a batch.

    Args:
        reward (`Reward`): The reward.
        rows (`list[int]`): The rows to which it applies.
        scores (`list[float | None]`):
            One score per completion of the whole batch; `None` where the reward could not judge the completion or
            does not apply.
    """

    reward: Reward
    rows: list[int]
    scores: Scores

    @property
    def unjudged_rows(self) -> list[int]:
        """The rows to which the reward applies but that it could not judge."""
        return [row for row in self.rows if self.scores[row] is None]

    @property
    def non_positive_rows(self) -> list[int]:
        """The rows to which the reward applies and where it is not positive: rewards with `only_if` are 0 there."""
        rows = []
        for row in self.rows:
            score = self.scores[row]
            if score is None or score <= 0:
                rows.append(row)
        return rows

    def fill_gaps(self, prompts: list | None) -> None:
        """Sets unjudged rows to the mean over the judged completions of the same prompt, or else of the batch, if any.

        A process may have a single completion of a prompt, whose others are in other processes.
        """
        gaps = self.unjudged_rows
        if not gaps or not prompts:
            return
        judged = [score for score in self.scores if score is not None]
        groups: dict[str, list[float]] = defaultdict(list)
        for row in self.rows:
            if self.scores[row] is not None:
                groups[str(prompts[row])].append(self.scores[row])
        for row in gaps:
            others = groups[str(prompts[row])] or judged
            if others:
                self.scores[row] = sum(others) / len(others)

    def set_to_zero(self, rows: Iterable[int]) -> None:
        """Sets the scores of some rows to 0, except those that are `None`."""
        for row in rows:
            if self.scores[row] is not None:
                self.scores[row] = 0.0

    def drop_unjudged(self, judged: list[bool]) -> None:
        """Sets the scores of all unjudged rows to `None`."""
        for row, is_judged in enumerate(judged):
            if not is_judged:
                self.scores[row] = None


class Composition:
    """All rewards of a recipe; see the module docstring for how a batch is scored.

    Args:
        specs (`list[RewardSpec]`): The rewards, in order.
        prefill (`str`, *optional*, defaults to `""`):
            Beginning of the completions that is part of the prompt, such as `<think>`.
        max_unjudged (`float`, *optional*, defaults to 1):
            Largest share of the last 512 completions that may be unjudged.

    Attributes:
        seen (`int`): Number of completions so far.
        judged (`int`): Number of them that could be judged and have a score.

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
        self.seen = 0
        self.judged = 0
        self._has_started = False
        self._last_judged: deque[bool] = deque(maxlen=WATCHED)
        self._last_batch: ScoredBatch | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_lock": None, "_last_batch": None, "_has_started": False}

    def __setstate__(self, state: dict) -> None:
        self.__dict__ = state | {"_lock": threading.Lock()}

    def __str__(self) -> str:
        return " + ".join(map(str, self.rewards))

    def check(self) -> None:
        """Checks that all rewards can start. Calls the method `check` of each reward, which must not use much memory.

        Raises:
            RecipeError: If a reward cannot start.
        """
        self._call_hooks("check")

    def start(self) -> None:
        """Starts the grader's worker processes and calls the method `start` of each reward, once.

        Raises:
            RecipeError: If a reward cannot start.
        """
        if self._has_started:
            return
        if any(reward.takes_solution and reward.runs_in_thread for reward in self.rewards):
            shared_grader().workers.start()
        self._call_hooks("start")
        self._has_started = True

    def _call_hooks(self, name: str) -> None:
        """Calls a method on all rewards that have it."""
        for reward in self.rewards:
            hook = getattr(reward.function, name, None)
            if not callable(hook):
                continue
            try:
                hook()
            except Exception as error:
                raise RecipeError(f"reward_funcs: {reward.label!r} cannot start: {error}") from error

    def for_trainer(self) -> list["RewardFunction"]:
        """Starts the rewards and returns one function per reward for `GRPOTrainer(reward_funcs=…)`.

        TRL weights, sums and logs the rewards.
        """
        self.start()
        trl_logger = logging.getLogger("trl.trainer.grpo_trainer")
        trl_logger.addFilter(_is_not_about_unjudged_rows)
        return [RewardFunction(self, index) for index in range(len(self.rewards))]

    def score_for_trainer(
        self,
        index: int,
        completions: list,
        /,  # a data set may have a column `index`
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
            completions (`list`): Completions as text or messages; a row with `None` is unjudged.
            log_metric (`Callable`, *optional*): TRL's function for logging a metric, called with name and value.
            columns: Data set columns, with one value per completion, and everything else that TRL passes.

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
        self._count(results, len(completions))
        return [result.scores for result in results]

    def require_working(self) -> None:
        """Checks that each reward has returned at least once.

        Raises:
            RecipeError: If a reward has raised an exception in all of its calls.
        """
        for reward in self.rewards:
            if reward.calls.always_failed:
                raise RecipeError(reward.calls.describe())

    def _call_rewards(self, completions: list, columns: dict) -> list[BatchScores]:
        """Calls all rewards: registered and asynchronous ones in threads, the others in turn in this thread."""
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

    def _count(self, results: list[BatchScores], batch_size: int) -> None:
        """Counts the completions of a batch, and those that have a score, even if only for their form."""
        self.seen += batch_size
        for row in range(batch_size):
            if any(result.scores[row] is not None for result in results):
                self.judged += 1

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
        index (`int`): Index of this reward in the composition.
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

    TRL passes the same list objects to each reward function of a batch, and new ones for the next batch. A batch is
    therefore recognized by the identity of its lists, which is cheaper than comparing their contents. The lists are
    kept here because Python may reuse the identity of an object that has been garbage-collected.

    Args:
        lists (`list[list]`): The completions and all columns that are lists.
        scores (`list[list[float | None]]`): The scores of each reward.
    """

    lists: list[list]
    scores: list[Scores]

    def is_made_of(self, lists: list[list]) -> bool:
        """Whether these lists are the same objects as those of the batch."""
        if len(lists) != len(self.lists):
            return False
        return all(new is known for new, known in zip(lists, self.lists, strict=True))


def _is_not_about_unjudged_rows(record: logging.LogRecord) -> bool:
    """Hides TRL's warning about rows that no reward could judge, which blames the rewards and prints whole rows.

    Such rows are intended here; they are explained once (`CallCount.explain_none`) and counted in the metrics.
    """
    return "All reward functions returned None" not in record.getMessage()


def _is_async(function: Callable) -> bool:
    """Whether a function, a `functools.partial` of one, or a callable object is asynchronous."""
    if isinstance(function, functools.partial):
        function = function.func
    elif not inspect.isroutine(function):
        function = type(function).__call__
    return inspect.iscoroutinefunction(function)


def _select_columns(
    columns: dict,
    rows: list[int],
    batch_size: int,
) -> dict:
    """The keyword arguments for a reward that applies only to some rows of the batch.

    Columns are reduced to these rows. Columns that the reward logs with `log_extra` are padded to the whole batch.
    """
    kwargs = {}
    for name, value in columns.items():
        if isinstance(value, list) and len(value) == batch_size:
            value = [value[row] for row in rows]
        kwargs[name] = value
    if kwargs.get("log_extra") is not None:
        kwargs["log_extra"] = functools.partial(_log_extra, columns["log_extra"], rows, batch_size)
    return kwargs


def _select_row(kwargs: dict, row: int, batch_size: int) -> dict:
    """The keyword arguments for a single completion, whose metrics are not logged."""
    kwargs = _select_columns(kwargs, [row], batch_size)
    for name in ("log_metric", "log_extra"):
        if name in kwargs:
            kwargs[name] = log_nothing
    return kwargs


def log_nothing(name: str, value: object) -> None:
    """Takes the place of TRL's functions for logging."""


def _step_of(kwargs: dict) -> int | None:
    """The step of the run, if a trainer has passed it."""
    return getattr(kwargs.get("trainer_state"), "global_step", None)


def _log_extra(
    log_extra: Callable,
    rows: list[int],
    batch_size: int,
    name: str,
    values: list,
) -> None:
    """Logs an extra column of TRL's table of completions that has values only for some rows."""
    column = [""] * batch_size
    for row, value in zip(rows, values, strict=True):
        column[row] = value
    log_extra(name, column)


def _find_judged_rows(results: list[BatchScores], completions: list) -> list[bool]:
    """For each row, whether it has a completion that was judged by all non-shaping rewards that apply to it."""
    judged = [completion is not None for completion in completions]
    for result in results:
        if not result.reward.is_shaping:
            for row in result.unjudged_rows:
                judged[row] = False
    return judged


def _apply_gates(results: list[BatchScores]) -> None:
    """Sets rewards with `only_if` to 0 where the reward they depend on is not positive.

    Rows to which that reward does not apply are left unchanged. All conditions are evaluated before any score is
    changed, so the order of the rewards in the recipe does not matter.
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
