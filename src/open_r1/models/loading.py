"""Loads models and tokenizers, and describes a model before its weights are loaded."""

import inspect
import json
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    TrainingArguments,
)
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, get_tokenizer_config
from transformers.utils import cached_file
from trl import DistillationConfig, ModelConfig

from open_r1.configs.recipes import find_producer
from open_r1.utils.errors import MissingInputError, RecipeError
from open_r1.utils.hub import go_offline_if_unreachable
from open_r1.utils.imports import import_object, is_function, is_path


LLAMA_2_CLASSES = ("LlamaTokenizer", "LlamaTokenizerFast")


@dataclass
class ModelInfo:
    """What is known about a model before its weights are loaded.

    Args:
        source (`str`): The path, Hub id or function that a recipe names.
        config (`PreTrainedConfig`): Its configuration.
        tokenizer (`PreTrainedTokenizerBase`): Ready to use.
        parameters (`int`): Number of parameters.
        build_command (`str`, *optional*): The command that produces the checkpoint, if it does not exist yet.
    """

    source: str
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase
    parameters: int
    build_command: str | None = None

    def require_checkpoint(self, key: str, dry_run: bool = False) -> None:
        """Stops if the checkpoint does not exist yet.

        Args:
            key (`str`): The recipe's key that names it.
            dry_run (`bool`, *optional*, defaults to `False`): Whether this is a dry run, which then ends successfully.

        Raises:
            MissingInputError: With the command that produces the checkpoint.
        """
        if self.build_command is not None:
            raise MissingInputError(key, self.source, self.build_command, dry_run)


def load_model_info(args: ModelConfig, seed: int, trust_remote_code: bool = False) -> ModelInfo:
    """Loads the configuration and the tokenizer of a recipe's model, but no weights.

    For a checkpoint that another recipe has yet to produce, they are taken from that recipe's own model.

    Args:
        args (`ModelConfig`): Names the model: a Hub id, a folder, or a function that builds it.
        seed (`int`): Seed for a function that builds the model.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether to run code from the model's repository.

    Raises:
        RecipeError: If there is no such model.
    """
    source = args.model_name_or_path
    if not source:
        raise RecipeError("model_name_or_path: missing. Name a Hub model, a folder or a function that builds one.")
    if is_function(source):
        model, tokenizer = build_model(source, seed)
        _require_embeddings(source, model, tokenizer)
        return ModelInfo(source, model.config, tokenizer, model.num_parameters())
    if not is_path(source):
        go_offline_if_unreachable()
    elif _is_adapter(Path(source)):
        merge = f"python src/open_r1/merge_adapter.py --adapter {source} --output_dir {source}-merged"
        raise RecipeError(f"model_name_or_path: {source!r} is an adapter. Merge it into its base first:\n  {merge}")
    elif not (Path(source) / "config.json").is_file():
        return _load_info_of_missing_checkpoint(source, seed, trust_remote_code)
    elif not _has_weights(Path(source)):
        raise RecipeError(f"model_name_or_path: {source!r} has a config.json but no weights.")
    kwargs = {"revision": args.model_revision, "trust_remote_code": trust_remote_code}
    try:
        config = AutoConfig.from_pretrained(source, **kwargs)
        tokenizer = load_tokenizer(source, **kwargs)
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"model_name_or_path: cannot load {source!r}, which is no local folder and could not be loaded "
            f"from the Hub: {error}"
        ) from error
    if is_path(source) and not getattr(config, "quantization_config", None):
        _refuse_unscaled_weights(Path(source))
    model = meta_model(config, trust_remote_code)
    _require_embeddings(source, model, tokenizer)
    return ModelInfo(source, config, tokenizer, model.num_parameters())


def build_model(name: str, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Calls a function that builds a model and its tokenizer.

    Args:
        name (`str`): `package.module:function` or `file.py:function`, a function of `seed`.
        seed (`int`): The seed.

    Raises:
        RecipeError: If there is no such function, or if it is one of another kind.
    """
    function = import_object(name)
    try:
        inspect.signature(function).bind(seed=seed)
    except TypeError as error:
        raise RecipeError(f"model_name_or_path: {name} {error}; it is called with `seed` alone.") from error
    built = function(seed=seed)
    if not isinstance(built, tuple) or len(built) != 2 or not isinstance(built[0], PreTrainedModel):
        raise RecipeError(
            f"model_name_or_path: {name} returned a {type(built).__name__}; expected a model and its tokenizer."
        )
    return built


def _refuse_unscaled_weights(folder: Path) -> None:
    """Stops at weights in FP8 whose configuration does not say so: they would be loaded without their scales.

    transformers saves a model like this that was loaded from FP8 with `dequantize`.
    """
    for path in sorted(folder.glob("*.safetensors")):
        name = _find_weight_in_fp8(path)
        if name:
            raise RecipeError(
                f"model_name_or_path: {name} in {path} is in FP8, but config.json has no quantization_config, "
                "so its scales would be ignored. Convert the published weights to bfloat16, see docs/faq.md."
            )


def _find_weight_in_fp8(path: Path) -> str | None:
    """The name of a weight in FP8; `None` if a file has none."""
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118, not a mapping
                if file.get_slice(name).get_dtype().startswith("F8"):
                    return name
    except (SafetensorError, OSError) as error:
        raise RecipeError(
            f"model_name_or_path: {path} cannot be read: {error}. It may be truncated, or a pointer of Git LFS; "
            "download it again."
        ) from error
    return None


def _require_embeddings(source: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Stops if the tokenizer has tokens that the model has no embedding for: training would fail at the first one."""
    rows = model.get_input_embeddings().num_embeddings
    tokens = {token_id: token for token, token_id in tokenizer.get_vocab().items()}
    missing = sorted(token_id for token_id in tokens if token_id >= rows)
    if missing:
        raise RecipeError(
            f"model_name_or_path: {source!r} has {rows} embeddings, but its tokenizer has {len(missing)} more tokens, "
            f"such as {tokens[missing[0]]!r} (id {missing[0]}). Use the model's own tokenizer, or resize the "
            "embeddings (`model.resize_token_embeddings`) and save both."
        )


def _load_info_of_missing_checkpoint(source: str, seed: int, trust_remote_code: bool) -> ModelInfo:
    """Describes a checkpoint that another recipe has yet to produce."""
    recipe, command = find_producer(source)
    if recipe is None:
        raise RecipeError(f"model_name_or_path: no model in {source!r} (looked in {Path.cwd()} for config.json).")
    base_args = ModelConfig(model_name_or_path=recipe["model_name_or_path"])
    base = load_model_info(base_args, seed, trust_remote_code)
    return ModelInfo(source, base.config, base.tokenizer, base.parameters, build_command=command)


def _is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()


def _has_weights(folder: Path) -> bool:
    return any(folder.glob("*.safetensors")) or any(folder.glob("*.bin"))


def load_teacher_info(args: DistillationConfig, student_tokenizer: PreTrainedTokenizerBase) -> ModelInfo:
    """Loads the configuration and the tokenizer of the teacher, but no weights.

    Args:
        args (`DistillationConfig`): Names the teacher.
        student_tokenizer (`PreTrainedTokenizerBase`): The student's tokenizer.

    Raises:
        RecipeError: If there is no such model, or its vocabulary is not the student's.
    """
    teacher_args = ModelConfig(model_name_or_path=args.teacher_model_name_or_path)
    teacher = load_model_info(teacher_args, args.seed, args.trust_remote_code)
    if teacher.tokenizer.get_vocab() != student_tokenizer.get_vocab():
        raise RecipeError(f"teacher_model_name_or_path: {teacher.source!r} has another vocabulary than the student.")
    return teacher


def meta_model(config: PreTrainedConfig, trust_remote_code: bool = False) -> PreTrainedModel:
    """Builds a model on the meta device, without weights, to count its parameters."""
    model_class = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    with torch.device("meta"):
        if model_class is not None:
            model = model_class(config)  # with ZeRO-3 `from_config` would split weights over all processes
        else:
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    model.tie_weights()  # otherwise a shared embedding is counted twice
    return model


def load_tokenizer(source: str, revision: str = "main", trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """Loads a tokenizer as it was saved.

    For some model types (qwen2, llama, …) transformers 5 rebuilds the tokenizer from its own class and ignores what
    tokenizer.json says about white space. So a tokenizer that was saved with the generic class is loaded with it, as
    is one that works on bytes but names Llama 2's class, which does not: those of R1-Distill-Llama, which transformers
    only knows by their ids on the Hub, not as local copies.

    Args:
        source (`str`): A Hub id or a folder.
        revision (`str`, *optional*, defaults to `"main"`): Branch, tag or commit on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether to run code from the repository.
    """
    kwargs = {"revision": revision, "trust_remote_code": trust_remote_code}
    saved_class = get_tokenizer_config(source, **kwargs).get("tokenizer_class")
    if saved_class in ("TokenizersBackend", "PreTrainedTokenizerFast"):
        return PreTrainedTokenizerFast.from_pretrained(source, **kwargs)
    if saved_class in LLAMA_2_CLASSES and _would_be_llama_2(source, kwargs) and _works_on_bytes(source, revision):
        return PreTrainedTokenizerFast.from_pretrained(source, **kwargs)
    return AutoTokenizer.from_pretrained(source, **kwargs)


def _would_be_llama_2(source: str, kwargs: dict) -> bool:
    """Whether transformers loads the tokenizer with the class that is saved with it, and not with the model type's."""
    config, _ = PreTrainedConfig.get_config_dict(source, **kwargs)
    return TOKENIZER_MAPPING_NAMES.get(config.get("model_type")) in (None, "LlamaTokenizer")


def _works_on_bytes(source: str, revision: str) -> bool:
    """Whether a tokenizer's vocabulary is one of bytes (GPT-2's, Llama 3's), and not of characters (Llama 2's)."""
    path = cached_file(source, "tokenizer.json", revision=revision, _raise_exceptions_for_missing_entries=False)
    if path is None:
        return False
    decoder = json.loads(Path(path).read_text(encoding="utf-8")).get("decoder") or {}
    decoders = decoder.get("decoders", [decoder])  # of a sequence
    return any(part.get("type") == "ByteLevel" for part in decoders)


def check_round_trip(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> None:
    """Stops if encoding and decoding changes a run's own texts: training on altered text would fail silently.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        texts (`list[str]`): Some of the run's texts.

    Raises:
        RecipeError: With the first difference.
    """
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        decoded = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        if unicodedata.normalize("NFC", decoded) == unicodedata.normalize("NFC", text):
            continue
        position = len(os.path.commonprefix([text, decoded]))
        excerpt = slice(max(0, position - 10), position + 20)
        raise RecipeError(
            f"the tokenizer changes the text: {text[excerpt]!r} comes back as {decoded[excerpt]!r}. "
            "Is it the model's own tokenizer, and does its vocabulary cover the data?"
        )


def load_model(args: ModelConfig, training_args: TrainingArguments) -> str | torch.nn.Module:
    """Returns what TRL's trainers accept as `model`.

    Args:
        args (`ModelConfig`): Names the model, and says how to load it.
        training_args (`TrainingArguments`): Its `model_init_kwargs` are set, so that TRL can load a model by name.

    Returns:
        `str | torch.nn.Module`: The model's name, or the model that a function builds.
    """
    if is_function(args.model_name_or_path):
        model, _ = build_model(args.model_name_or_path, training_args.seed)
        return model
    options = {"revision": args.model_revision, "attn_implementation": args.attn_implementation, "dtype": args.dtype}
    kwargs = {name: value for name, value in options.items() if value is not None}
    training_args.model_init_kwargs = kwargs | (training_args.model_init_kwargs or {})
    return args.model_name_or_path
