"""Turns the stages of a pipeline into tasks: their folders, their commands, and what they need from each other."""

import json
import os
import shlex
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from open_r1.configs import SEED, PipelineArguments, PipelineStage
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import command_of, read_recipe, stage_of
from open_r1.configs.stages import TRAINING
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import rename_aside, write_text_atomically


# The launcher of a stage that runs as a Slurm job; it knows the nodes of the job.
SLURM_LAUNCHER = "python -m open_r1.cluster.launch"


@dataclass
class Task:
    """A stage of a pipeline, run with one seed.

    Args:
        name (`str`): Name of the stage in the pipeline.
        stage (`str`): Kind of recipe, such as `grpo`.
        seed (`int`): Seed.
        keys (`dict`): All keys that its script gets, from the recipe or the command line.
        command (`list[str]`): The command that runs it.
        needs (`list[str]`): Names of the stages whose output it reads.
        home (`Path`): Folder of its state, log and lock.
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
        """The folder that it writes to."""
        return Path(self.keys["output_dir"])

    @property
    def log(self) -> Path:
        """The file with the output of its command."""
        return self.home / f"{self.name}.log"

    @property
    def lock(self) -> Path:
        """The file that its process locks while it runs."""
        return self.home / f"{self.name}.lock"

    @property
    def label(self) -> str:
        """Its name, as shown in messages."""
        return f"{self.name} (seed {self.seed})"

    @property
    def runs_in_slurm_job(self) -> bool:
        """Whether the launcher of a Slurm job starts it."""
        return SLURM_LAUNCHER.split()[-1] in self.command

    def __str__(self) -> str:
        return shlex.join(self.command)

    def state(self) -> dict:
        """Reads what was recorded about its last run.

        Returns:
            `dict`: Empty if it has never run. Otherwise `made_of` (see `task_inputs`), the `seconds` that all its
            attempts took and, if it succeeded, the time at which it `finished` and the files that it `made`.
        """
        try:
            return json.loads(self._state_path.read_text())
        except (OSError, ValueError):
            return {}

    def write_state(self, state: dict) -> None:
        """Records the state of a run."""
        self.home.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self._state_path, json.dumps(state, indent=1))

    @property
    def _state_path(self) -> Path:
        return self.home / f"{self.name}.json"


def build_tasks_by_seed(args: PipelineArguments) -> dict[int, list[Task]]:
    """Builds the tasks of all seeds.

    Args:
        args (`PipelineArguments`): The pipeline.

    Returns:
        `dict[int, list[Task]]`: The tasks of each seed, in the order of the recipe.

    Raises:
        RecipeError: If the recipe of a stage is wrong, a stage reads the output of one that it does not need, or two
            tasks write to the same folder.
    """
    tasks_by_seed = {seed: build_tasks(args, seed) for seed in args.seeds}
    _require_separate_folders(list(chain.from_iterable(tasks_by_seed.values())))
    return tasks_by_seed


def build_tasks(args: PipelineArguments, seed: int) -> list[Task]:
    """Builds the tasks of one seed, in the order of the recipe.

    Args:
        args (`PipelineArguments`): The pipeline.
        seed (`int`): The seed.

    Raises:
        RecipeError: If the recipe of a stage is wrong, or a stage reads the output of one that it does not need.
    """
    tasks = [_build_task(stage, args, seed) for stage in args.steps]
    _require_separate_folders(tasks)
    for task in tasks:
        _require_declared_needs(task, tasks)
    return tasks


def find_program(name: str) -> str | None:
    """Finds a program. This Python's environment is searched first, whether it is activated or not."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return shutil.which(name, path=os.pathsep.join(folders))


def require_gpus(task: Task, gpus: int) -> None:
    """Stops if the launcher of a task starts more processes than there are GPUs.

    Args:
        task (`Task`): The task.
        gpus (`int`): Number of GPUs of this machine; without any, training says what to do.

    Raises:
        RecipeError: With the options to set.
    """
    processes = _launched_processes(task.command)
    if 0 < gpus < processes:
        raise RecipeError(
            f"launcher of {task.name!r}: it starts {processes} processes, and there are {gpus} GPU(s) here; add "
            f"`--num_processes {gpus}` to it. For the same global batch, the stage also needs {processes / gpus:g} "
            "times the gradient_accumulation_steps (in its key `set`)."
        )


def texts_in(value: Any) -> Iterator[str]:
    """All strings within a value of a recipe, at any depth.

    >>> list(texts_in({"models": ["a", {"path": "b"}], "seed": 1}))
    ['a', 'b']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)


def set_output_aside(task: Task, console: Console) -> None:
    """Renames the output folder of a task that will run from scratch; nothing is deleted."""
    new_path = rename_aside(task.output_dir, "old")
    message = f"  {task.output_dir} is from an earlier run; it was renamed to {new_path.name}"
    console.print(message, markup=False)


def _build_task(stage: PipelineStage, args: PipelineArguments, seed: int) -> Task:
    path = Path(stage.config)
    kind = stage_of(path)
    recipe = read_recipe(stage.config)
    keys = _keys_of_task(stage, recipe, args, seed)
    overrides = _overrides(keys, recipe)
    if args.launcher == SLURM_LAUNCHER:
        command = [*shlex.split(SLURM_LAUNCHER), "--recipe", str(path), *overrides]
    else:
        command = [*_launcher_words(stage, kind, args), *command_of(path), *overrides]

    # Only the keys are checked here. Whether there is a GPU does not matter yet.
    options = ["--config", stage.config, *overrides]
    if kind in TRAINING:
        options += ["--use_cpu", "true"]
    RecipeParser(kind).parse(options)

    json_keys = json.loads(_to_json(keys))
    return Task(stage.name, kind, seed, json_keys, command, list(stage.needs), args.home(seed))


def _keys_of_task(stage: PipelineStage, recipe: dict, args: PipelineArguments, seed: int) -> dict[str, Any]:
    """The keys of a stage: those of its recipe and of the pipeline, with the seed and the paths of that seed."""
    keys = recipe | stage.set
    if keys.get("seed", SEED) != seed:
        keys["seed"] = seed
    keys = _with_new_root(keys, args.output_dir, args.root(seed))
    if "output_dir" not in keys:
        raise RecipeError(f"{stage.config}: output_dir: missing; a stage of a pipeline must say where it writes.")
    return keys


def _with_new_root(value: Any, old_root: str, new_root: str) -> Any:
    """Moves all paths in a recipe, or in a value of one, from the old root to the new root."""
    if isinstance(value, list):
        return [_with_new_root(item, old_root, new_root) for item in value]
    if isinstance(value, dict):
        return {key: _with_new_root(item, old_root, new_root) for key, item in value.items()}
    if value == old_root:
        return new_root
    if isinstance(value, str) and "/" in value:
        path = os.path.normpath(value)
        if path == old_root or path.startswith(f"{old_root}/"):
            return new_root + path.removeprefix(old_root)
    return value


def _overrides(keys: dict[str, Any], recipe: dict) -> list[str]:
    """The command-line options that turn a recipe into these keys."""
    words = []
    for key, value in keys.items():
        if recipe.get(key) != value:
            words += [f"--{key}", *_option_words(value)]
    return words


def _option_words(value: Any) -> list[str]:
    """Formats a value as command-line arguments."""
    words = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict | bool):
            words.append(_to_json(item))
        else:
            words.append(str(item))
    return words


def _to_json(value: Any) -> str:
    """Formats a value as JSON; dates, which exist in YAML but not in JSON, become strings."""
    return json.dumps(value, default=str)


def _launcher_words(stage: PipelineStage, kind: str, args: PipelineArguments) -> list[str]:
    """The command that starts the script of a stage, such as `accelerate launch`."""
    if kind not in TRAINING:
        return ["python"]
    launcher = stage.launcher or args.launcher
    words = shlex.split(launcher)
    if words and (words[0] == "python" or find_program(words[0])):
        return words
    raise RecipeError(
        f"launcher of {stage.name!r}: there is no {launcher!r} on the path; "
        "expected a program such as `accelerate launch`."
    )


def _launched_processes(command: list[str]) -> int:
    """How many processes a command starts: more than one only with `accelerate launch`."""
    if Path(command[0]).name != "accelerate":
        return 1
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--num_processes", type=int)
    parser.add_argument("--config_file")
    options, _ = parser.parse_known_args(command)
    if options.num_processes is not None:
        return options.num_processes
    if options.config_file is None or not Path(options.config_file).is_file():
        return 1
    config = yaml.safe_load(Path(options.config_file).read_text())
    return config.get("num_processes") or 1


def _require_separate_folders(tasks: list[Task]) -> None:
    writers: dict[Path, Task] = {}
    for task in tasks:
        other = writers.get(task.output_dir)
        if other is not None:
            raise RecipeError(
                f"stages: {other.name!r} (seed {other.seed}) and {task.name!r} (seed {task.seed}) both write to "
                f"{task.output_dir}; give each its own output_dir, within that of the pipeline."
            )
        writers[task.output_dir] = task


def _require_declared_needs(task: Task, tasks: list[Task]) -> None:
    """Raises a `RecipeError` if a task reads the folder of another task that is not among its needs."""
    for text in texts_in(task.keys):
        path = Path(text)
        for other in tasks:
            is_read = other.output_dir in (path, *path.parents)
            if is_read and other.name not in (task.name, *task.needs):
                raise RecipeError(
                    f"stages: {task.name!r} reads {text}, which {other.name!r} makes; add {other.name!r} to its needs."
                )
