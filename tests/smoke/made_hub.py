"""What the fake Hub of smoke runs has to serve: the models and data sets that recipes read."""

from collections.abc import Iterator
from pathlib import Path

import hub_server
from made_models import COPIES, UnknownModel, architecture_of, describe_model, model_files
from made_rows import DATASETS, FILES, LOADED_BY, UnknownDataset, dataset_files

from open_r1.configs import BENCHMARKS
from open_r1.configs.recipes import find_producer, read_recipe
from open_r1.pipelines.tasks import texts_in
from open_r1.utils.imports import import_object, is_function, is_path


MODEL_KEYS = ("model_name_or_path", "models", "teacher_model_name_or_path")


def hub_inputs(path: Path) -> tuple[set[str], set[str]]:
    """The models and the data sets of the Hub that a recipe reads, itself or by functions of ours.

    Args:
        path (`Path`): The recipe.

    Raises:
        UnknownModel: If smoke runs cannot make one of the models.
        UnknownDataset: If they cannot make one of the data sets.
    """
    models, names = set(), set()
    for key, value in _pairs(read_recipe(str(path))):
        if key in MODEL_KEYS:
            models |= set(texts_in(value))
        elif key == "dataset_name":
            names.add(value)
        elif key in ("benchmarks", "decontaminate"):
            for entry in value:
                name = entry["name"] if isinstance(entry, dict) else entry
                if name in BENCHMARKS:
                    names.add(BENCHMARKS[name]["dataset_name"])
    models = {name for name in models if not is_function(name) and not _is_made(name)}
    for name in models:
        describe_model(name)
    datasets = set()
    for name in names:
        name = LOADED_BY.get(name, name)
        if is_function(name) or _is_made(name):
            continue
        if name not in DATASETS:
            dataset_files(name)
        datasets.add(name)
    return models, datasets


def _is_made(name: str) -> bool:
    """Whether a path is what another recipe makes, or what smoke runs write in place of users."""
    return name in COPIES or name in FILES or (is_path(name) and find_producer(name)[0] is not None)


def _pairs(value: object) -> Iterator[tuple[str, object]]:
    """All keys of a recipe with their values, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _pairs(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from _pairs(item)


def publish(paths: list[Path], hub: hub_server.Hub, folder: Path) -> dict[Path, str]:
    """Puts the models and data sets that recipes name on the fake Hub.

    Returns:
        `dict[Path, str]`: Why recipes cannot run, if they name something unknown.
    """
    unknown = {}
    models, datasets = set(), set()
    for path in paths:
        try:
            more_models, more_datasets = hub_inputs(path)
        except (UnknownModel, UnknownDataset) as error:
            unknown[path] = str(error)
            continue
        models |= more_models
        datasets |= more_datasets
    for name in sorted(models):
        hub.publish(name, model_files(name, folder / "made"))
    for name in sorted(datasets):
        hub.publish(name, dataset_files(name), "datasets")
    return unknown


def known_golds(paths: list[Path]) -> dict[str, str]:
    """The answers to the questions that functions of ours make for recipes that generate completions."""
    golds = {}
    for path in paths:
        recipe = read_recipe(str(path))
        name = recipe.get("dataset_name", "")
        if path.parent.name == "generate" and is_function(name) and name not in LOADED_BY:
            rows = import_object(name)(split="train", seed=recipe["seed"], **recipe.get("dataset_params", {}))
            golds |= dict(zip(rows[recipe["dataset_prompt_column"]], rows["solution"], strict=True))
    return golds


def model_of(path: Path) -> str:
    """The architecture of a recipe's model, or of the model that the recipes before it start from."""
    recipe = read_recipe(str(path))
    name = recipe.get("model_name_or_path") or recipe.get("models", [""])[0]
    name = COPIES.get(name, (name,))[0]
    while name and is_path(name):
        producer, _ = find_producer(name)
        name = producer["model_name_or_path"] if producer else ""
        name = COPIES.get(name, (name,))[0]
    return architecture_of(name) if name else ""
