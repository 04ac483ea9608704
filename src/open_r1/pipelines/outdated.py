"""Finds the tasks of a pipeline that have to run, and why.

A task is up to date if its command has succeeded with the same keys, the same contents of the files that the keys
name, the same version of open_r1 and the same runs of the stages that it needs. All of this is recorded with each run,
so that a dry run can say what has changed.
"""

import hashlib
import importlib.metadata
from pathlib import Path
from typing import NamedTuple

from open_r1.configs import PipelineArguments
from open_r1.data.load import folder_fingerprint
from open_r1.pipelines.tasks import Task, texts_in
from open_r1.utils.errors import RecipeError


REQUESTED = "requested"  # the reason given for a task that the user asks to run again
LARGE_FILE = 2**26  # bytes; of larger files, size and modification time are compared instead of the contents


class OutdatedTask(NamedTuple):
    """A task that has to run.

    Args:
        task (`Task`): The task.
        reason (`str`): Why it has to run, as shown to the user.
    """

    task: Task
    reason: str


def outdated_tasks(tasks: list[Task], args: PipelineArguments) -> dict[str, str]:
    """Finds the tasks that have to run.

    Args:
        tasks (`list[Task]`): All tasks of one seed, in order.
        args (`PipelineArguments`): The pipeline; `only` and `from_stage` restrict what runs.

    Returns:
        `dict[str, str]`: Name and reason of each task that has to run, in order.

    Raises:
        RecipeError: If `only` or `from` needs the output of a stage that is not up to date.
    """
    reasons: dict[str, str] = {}
    finished = {task.name: task.state().get("finished") for task in tasks}
    for task in tasks:
        reason = _reason_to_run(task, args, reasons, finished)
        if reason is not None:
            reasons[task.name] = reason
    return _restrict_to_requested(reasons, tasks, args)


def all_outdated_tasks(tasks_by_seed: dict[int, list[Task]], args: PipelineArguments) -> list[OutdatedTask]:
    """Finds the tasks of all seeds that have to run.

    Args:
        tasks_by_seed (`dict[int, list[Task]]`): All tasks of each seed, in order.
        args (`PipelineArguments`): The pipeline.

    Returns:
        `list[OutdatedTask]`: Ordered by stage, then by seed, so that the seeds progress together.
    """
    reasons = {seed: outdated_tasks(tasks, args) for seed, tasks in tasks_by_seed.items()}
    outdated = []
    for tasks_of_stage in zip(*tasks_by_seed.values(), strict=True):
        for task in tasks_of_stage:
            reason = reasons[task.seed].get(task.name)
            if reason is not None:
                outdated.append(OutdatedTask(task, reason))
    return outdated


def finish_times(tasks_by_seed: dict[int, list[Task]], outdated: list[OutdatedTask]) -> dict[int, dict[str, str]]:
    """The finish times of all tasks that do not have to run, by seed and name."""
    times: dict[int, dict[str, str]] = {}
    for seed, tasks in tasks_by_seed.items():
        times[seed] = {}
        for task in tasks:
            finished = task.state().get("finished")
            if finished:
                times[seed][task.name] = finished
    for task, _ in outdated:
        times[task.seed].pop(task.name, None)
    return times


def task_inputs(task: Task, finished: dict[str, str]) -> dict:
    """Collects what the output of a task depends on.

    Args:
        task (`Task`): The task.
        finished (`dict[str, str]`): When each stage finished.
    """
    fingerprints = {}
    for text in texts_in(task.keys):
        # A function within a file is named as `path/to/file.py:function`.
        path = Path(text.partition(".py:")[0] + ".py") if ".py:" in text else Path(text)
        if _is_input(path, task.home.parent):
            fingerprints[text] = _fingerprint(path)
    return {
        "keys": task.keys,
        "files": fingerprints,
        "needs": {name: finished.get(name) for name in task.needs},
        "version": importlib.metadata.version("open_r1"),
    }


def describe_change(before: dict, now: dict) -> str | None:
    """Describes the first difference between two results of `task_inputs`; `None` if there is none.

    >>> describe_change({"keys": {"seed": 1}, "version": "1"}, {"keys": {"seed": 2}, "version": "1"})
    'seed: 1 → 2'
    """
    descriptions = {
        "keys": "{name}: {old} → {new}",
        "files": "the file {name} has changed",
        "needs": "{name} has run again",
    }
    for part, description in descriptions.items():
        old_values = before.get(part, {})
        new_values = now.get(part, {})
        for name in [*new_values, *old_values]:
            old, new = old_values.get(name), new_values.get(name)
            if old != new:
                return description.format(name=name, old=old, new=new)
    old_version, new_version = before.get("version"), now.get("version")
    if old_version != new_version:
        return f"open_r1 {old_version} → {new_version}"
    return None


def _reason_to_run(
    task: Task, args: PipelineArguments, reasons: dict[str, str], finished: dict[str, str]
) -> str | None:
    """Why a task has to run, given the reasons of the tasks before it; `None` if it is up to date."""
    state = task.state()
    if not state:
        return "never run"
    if task.name == args.from_stage:
        return REQUESTED
    for name in task.needs:
        if name in reasons:
            return f"{name} runs again"
    change = describe_change(state["made_of"], task_inputs(task, finished))
    if change:
        return change
    if not state.get("finished"):
        return "it was stopped"
    for name in state.get("made", [""]):
        path = task.output_dir / name
        if not path.exists():
            return f"{path} is gone"
    return None


def _restrict_to_requested(reasons: dict[str, str], tasks: list[Task], args: PipelineArguments) -> dict[str, str]:
    """Keeps only those outdated tasks that `only` or `from` asks for."""
    requested = args.only or args.from_stage
    if not requested:
        return reasons
    selected = {requested}
    if args.from_stage:
        for task in tasks:
            if selected.intersection(task.needs):
                selected.add(task.name)
    for task in tasks:
        if task.name not in reasons or task.name not in selected:
            continue
        for need in task.needs:
            if need in reasons and need not in selected:
                raise RecipeError(f"{requested}: {task.name!r} needs {need!r}, which is not done: {reasons[need]}.")
    return {name: reason for name, reason in reasons.items() if name in selected}


def _is_input(path: Path, root: Path) -> bool:
    """Whether a path is a file, or a folder that no stage writes to; for stages, their finish time is compared."""
    try:
        if path.is_file():
            return True
        return path.is_dir() and len(path.parts) > 1 and root not in (path, *path.parents)
    except OSError:  # a string too long to be a path
        return False


def _fingerprint(path: Path) -> str:
    if path.is_dir():
        return folder_fingerprint(path)
    stat = path.stat()
    if stat.st_size > LARGE_FILE:
        return f"{stat.st_size} {stat.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
