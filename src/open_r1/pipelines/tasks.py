"""The stages of a pipeline as tasks: their commands, what they read of each other, and whether they are done and unchanged.

A task is done if its command has ended well with the same keys, the same files that these name, the same version of open_r1 and the
same runs of what it needs; each is kept, so that a plan can say what has changed.
"""

import hashlib
import importlib.metadata
import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from open_r1.configs import SEED, PipelineArguments, PipelineStage
from open_r1.configs.parser import TRAINING, RecipeParser, read_recipe
from open_r1.configs.recipes import command_of, stage_of
from open_r1.data.load import folder_fingerprint
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import rename_aside, write_text_atomically


ASKED = "asked for"  # why a stage runs that is done: its output is made anew
LAUNCH = "python -m open_r1.cluster.launch"  # the launcher in a job of Slurm, which knows its nodes
LARGE = 2**26  # bytes of a file from which its size and time stand for its content


@dataclass
class Task:
    """A stage with one seed.

    Args:
        name (`str`): What the pipeline calls it.
        stage (`str`): Whose recipe it is, such as `grpo`.
        seed (`int`): Seed.
        keys (`dict`): What its script is given, recipe and command line together.
        command (`list[str]`): The command that runs it.
        needs (`list[str]`): Stages before it.
        home (`Path`): Where state, log and lock are.
    """

    name: str
    stage: str
    seed: int
    keys: dict[str, Any]
    command: list[str]
    needs: list[str]
    home: Path

    @property
    def output_dir(self) -> Path:
        return Path(self.keys["output_dir"])

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    def __str__(self) -> str:
        return shlex.join(self.command)

    def state(self) -> dict:
        """What is known of the last run: `made_of`, the `seconds` that it has taken with all its attempts, and if it ended well
        `finished` and the files that it `made`."""
        try:
            return json.loads((self.home / f"{self.name}.json").read_text())
        except (OSError, ValueError):
            return {}

    def write_state(self, state: dict):
        self.home.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self.home / f"{self.name}.json", json.dumps(state, indent=1))


def all_tasks(args: PipelineArguments) -> dict[int, list[Task]]:
    """All stages with each seed, in order.

    Raises:
        RecipeError: If a recipe is wrong, a stage reads the output of one that it does not need, or two write to the same folder.
    """
    seeds = {seed: tasks_of(args, seed) for seed in args.seeds}
    _require_own_folders([task for tasks in seeds.values() for task in tasks])
    return seeds


def tasks_of(args: PipelineArguments, seed: int) -> list[Task]:
    """All stages with a seed, in order.

    Raises:
        RecipeError: If a recipe is wrong, or if a stage reads the output of one that it does not need.
    """
    tasks = [_task(step, args, seed) for step in args.steps]
    _require_own_folders(tasks)
    build_command = {task.output_dir: task.name for task in tasks}
    for task in tasks:
        for text in _texts(task.keys):
            read = {
                name for folder, name in build_command.items() if Path(text) == folder or folder in Path(text).parents
            }
            for name in read - {task.name, *task.needs}:
                raise RecipeError(
                    f"stages: {task.name!r} reads {text}, which {name!r} makes; add {name!r} to its needs."
                )
    return tasks


def _require_own_folders(tasks: list[Task]):
    folders: dict[Path, Task] = {}
    for task in tasks:
        if other := folders.get(task.output_dir):
            same = f"{other.name!r} (seed {other.seed}) and {task.name!r} (seed {task.seed}) both write to {task.output_dir}"
            raise RecipeError(f"stages: {same}; set an output_dir of its own, within that of the pipeline.")
        folders[task.output_dir] = task


def _task(step: PipelineStage, args: PipelineArguments, seed: int) -> Task:
    path = Path(step.config)
    stage, recipe = stage_of(path), read_recipe(step.config)
    keys = recipe | step.set
    if keys.get("seed", SEED) != seed:
        keys["seed"] = seed
    keys = {key: _moved(value, args.output_dir, args.root(seed)) for key, value in keys.items()}
    if "output_dir" not in keys:
        raise RecipeError(f"{step.config}: output_dir: missing; a stage of a pipeline must say where it writes.")
    given = [word for key, value in keys.items() if recipe.get(key) != value for word in (f"--{key}", *_words(value))]
    if args.launcher == LAUNCH:
        command = [*shlex.split(LAUNCH), "--recipe", str(path), *given]
    else:
        launcher = (step.launcher or args.launcher) if stage in TRAINING else "python"
        command = [*_program(launcher, step), *command_of(path), *given]
    here = ["--use_cpu", "true"] if stage in TRAINING else []  # whether there is a GPU is another question
    RecipeParser(stage).parse(["--config", step.config, *given, *here])
    return Task(step.name, stage, seed, json.loads(_json(keys)), command, list(step.needs), args.home(seed))


def _program(launcher: str, step: PipelineStage) -> list[str]:
    """The words of a launcher, which must be there: on the path, or beside this Python."""
    words = shlex.split(launcher)
    if not words or not (words[0] == "python" or program(words[0])):
        raise RecipeError(
            f"launcher of {step.name!r}: there is no {launcher!r} on the path; expected such as `accelerate launch`."
        )
    return words


def program(name: str) -> str | None:
    """The path of a program; those of this Python's environment come first, whether it is active or not."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def _json(value: Any) -> str:
    return json.dumps(value, default=str)  # YAML has dates


def _moved(value: Any, old: str, new: str) -> Any:
    """A value with the folder of all outputs exchanged, wherever it stands in it."""
    if isinstance(value, str) and "/" in value:
        path = os.path.normpath(value)
        return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else value
    if value == old:
        return new
    if isinstance(value, list):
        return [_moved(part, old, new) for part in value]
    if isinstance(value, dict):
        return {key: _moved(part, old, new) for key, part in value.items()}
    return value


def _words(value: Any) -> list[str]:
    """A value as words of a command line."""
    parts = value if isinstance(value, list) else [value]
    return [_json(part) if isinstance(part, dict | bool) else str(part) for part in parts]


def _texts(value: Any) -> list[str]:
    """All texts within a value."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return [text for part in parts for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def made_of(task: Task, done: dict[str, str]) -> dict:
    """What a task's output depends on.

    Args:
        task (`Task`): The task.
        done (`dict[str, str]`): When each stage ended.
    """
    paths = {text: Path(text.partition(".py:")[0] + ".py" if ".py:" in text else text) for text in _texts(task.keys)}
    files = {text: _digest(path) for text, path in paths.items() if _is_input(path, task.home.parent)}
    return {
        "keys": task.keys,
        "files": files,
        "needs": {name: done.get(name) for name in task.needs},
        "version": importlib.metadata.version("open_r1"),
    }


def _is_input(path: Path, root: Path) -> bool:
    """Whether it is a file, or a folder that no stage makes: those are known by when the stage ended."""
    try:
        return path.is_file() or (path.is_dir() and len(path.parts) > 1 and root not in (path, *path.parents))
    except OSError:  # no path but a long text
        return False


def _digest(path: Path) -> str:
    if path.is_dir():
        return folder_fingerprint(path)
    stat = path.stat()
    if stat.st_size > LARGE:
        return f"{stat.st_size} {stat.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def changed(before: dict, now: dict) -> str | None:
    """The first thing that is not as it was, in words; `None` if all is.

    >>> changed({"keys": {"seed": 1}, "version": "1"}, {"keys": {"seed": 2}, "version": "1"})
    'seed: 1 → 2'
    """
    for kind, told in (("keys", "{}: {} → {}"), ("files", "the file {} has changed"), ("needs", "{} was made anew")):
        old, new = before.get(kind, {}), now.get(kind, {})
        for name in [*new, *old]:
            if old.get(name) != new.get(name):
                return told.format(name, old.get(name), new.get(name))
    old, new = before.get("version"), now.get("version")
    return None if old == new else f"open_r1 {old} → {new}"


def outdated_tasks(tasks: list[Task], args: PipelineArguments) -> dict[str, str]:
    """Why each task that is to run has to, in order; those that are done and unchanged are not in it.

    Raises:
        RecipeError: If what `only` or `from` needs is not there.
    """
    reasons: dict[str, str] = {}
    done = {task.name: task.state().get("finished") for task in tasks}
    for task in tasks:
        state = task.state()
        again = next((name for name in task.needs if name in reasons), None)
        if not state:
            reasons[task.name] = "never run"
        elif task.name == args.from_stage:
            reasons[task.name] = ASKED
        elif again:
            reasons[task.name] = f"{again} is made anew"
        elif difference := changed(state["made_of"], made_of(task, done)):
            reasons[task.name] = difference
        elif not state.get("finished"):
            reasons[task.name] = "it was stopped"
        elif gone := [name for name in state.get("made", [""]) if not (task.output_dir / name).exists()]:
            reasons[task.name] = f"{task.output_dir / gone[0]} is gone"
    return _narrowed(reasons, tasks, args)


def _narrowed(reasons: dict[str, str], tasks: list[Task], args: PipelineArguments) -> dict[str, str]:
    """The plan as `only` or `from` restricts it."""
    asked = args.only or args.from_stage
    if not asked:
        return reasons
    wanted = {asked}
    if args.from_stage:
        for task in tasks:
            wanted |= {task.name} if wanted & set(task.needs) else set()
    kept = {name: reason for name, reason in reasons.items() if name in wanted}
    for task in tasks:
        missing = [need for need in task.needs if need in reasons and need not in wanted]
        if task.name in kept and missing:
            raise RecipeError(
                f"{asked}: {task.name!r} needs {missing[0]!r}, which is not done: {reasons[missing[0]]}."
            )
    return kept


def put_aside(folder: Path, console: Console):
    """Renames a folder that is to be made anew; nothing is deleted."""
    aside = rename_aside(folder, "old")
    console.print(f"  {folder} is from an earlier run; it was renamed to {aside.name}", markup=False)
