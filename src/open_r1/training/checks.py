"""Checks before the model is loaded: precision, packages, and free space for the output."""

import importlib.util
import shutil
import tempfile
from pathlib import Path

from transformers import PreTrainedConfig, TrainingArguments
from transformers.integrations import get_available_reporting_integrations
from trl import ModelConfig

from open_r1.configs.training import RunArguments
from open_r1.utils.errors import RecipeError
from open_r1.utils.hardware import cpu_computes_in_bf16


ADAPTER_CHECKPOINT_SHARE = 0.05  # size of a typical adapter's checkpoint relative to the full model's
# Quantized weights, by `quant_method`: methods that transformers trains as they are, and those that take no adapter.
TRAINED_QUANTIZED = ("bitnet", "compressed-tensors", "fp_quant")
WITHOUT_ADAPTERS = (
    "auto-round",
    "fbgemm_fp8",
    "fouroversix",
    "fp8",
    "gemma",
    "gguf",
    "higgs",
    "metal",
    "mxfp4",
    "mxfp8",
    "nvfp4",
    "quark",
    "spqr",
    "vptq",
)
SPARE_ROOM = 1.2  # free space wanted, as a multiple of what one checkpoint takes


def needs_gpu(script_args: RunArguments, args: TrainingArguments) -> bool:
    """Whether a recipe needs a GPU, since it asks for half precision, and this machine has none.

    Args:
        script_args (`RunArguments`): Our options.
        args (`TrainingArguments`): The trainer's options.
    """
    if args.device.type != "cpu":
        return False
    if args.bf16 and script_args.bf16_on_cpu and cpu_computes_in_bf16():
        return False
    return args.bf16 or args.fp16


def check_precision(script_args: RunArguments, args: TrainingArguments) -> None:
    """Stops if a run would train in half precision on a CPU. Takes the arguments of [`needs_gpu`].

    Raises:
        RecipeError: If so.
    """
    if not needs_gpu(script_args, args):
        return
    advice = "set `bf16: false`."
    if args.bf16 and cpu_computes_in_bf16():
        advice = "set `bf16: false`; or, since this one has instructions for bf16, `bf16_on_cpu: true`."
    raise RecipeError(f"bf16/fp16: most CPUs are slower in half precision than in float32; {advice}")


def check_packages(args: TrainingArguments) -> None:
    """Stops if a tracker or vLLM is needed but not installed. The trainer would only notice after loading the model.

    Raises:
        RecipeError: If a package is missing.
    """
    missing = sorted(set(args.report_to) - set(get_available_reporting_integrations()))
    if missing:
        raise RecipeError(
            f"report_to: {missing[0]!r} is not installed (pip install {missing[0]}); or set `report_to: none`."
        )
    use_vllm = getattr(args, "use_vllm", False)  # not all trainers have it
    if use_vllm and importlib.util.find_spec("vllm") is None:
        raise RecipeError("use_vllm: vLLM is not installed (pip install -e '.[gpu]'); or set `use_vllm: false`.")


def check_quantization(config: PreTrainedConfig, model_args: ModelConfig) -> None:
    """Stops if the model's weights are stored quantized and cannot be trained; the trainer only notices after loading.

    Args:
        config (`PreTrainedConfig`): The model's configuration.
        model_args (`ModelConfig`): The model's options.

    Raises:
        RecipeError: If so, with what to do.
    """
    quantization = getattr(config, "quantization_config", None)
    if not quantization:
        return
    if not isinstance(quantization, dict):
        quantization = quantization.to_dict()
    method = quantization.get("quant_method", "bitsandbytes")
    name = model_args.model_name_or_path
    advice = (
        "Name a copy in bfloat16 (for DeepSeek-V3-Base, opensourcerelease/DeepSeek-V3-Base-bf16), or make one, "
        "see docs/faq.md"
    )
    if model_args.use_peft and method in WITHOUT_ADAPTERS:
        raise RecipeError(
            f"model_name_or_path: the weights of {name!r} are quantized ({method}), on which not even adapters can be "
            f"trained. {advice}."
        )
    if not model_args.use_peft and method not in TRAINED_QUANTIZED:
        adapters = ""
        if method not in WITHOUT_ADAPTERS:
            adapters = "; or train an adapter on it: `use_peft: true`"
        raise RecipeError(
            f"model_name_or_path: the weights of {name!r} are quantized ({method}) and cannot be trained. "
            f"{advice}{adapters}."
        )


def check_reference_model(args: TrainingArguments, model_args: ModelConfig) -> None:
    """Stops if there will be no reference model to synchronize; TRL only notices after loading the policy.

    Args:
        args (`TrainingArguments`): The trainer's options.
        model_args (`ModelConfig`): The model's options.

    Raises:
        RecipeError: If so.
    """
    if not getattr(args, "sync_ref_model", False):  # only GRPO has it
        return
    if args.beta == 0:
        raise RecipeError("sync_ref_model: with `beta: 0` there is no reference model; set `beta`, or leave this out.")
    if model_args.use_peft:
        raise RecipeError(
            "sync_ref_model: with `use_peft: true` the reference is the model without its adapter, which does not "
            "change; set `sync_ref_model: false`, or train all weights."
        )


def check_output_dir(args: TrainingArguments, model_args: ModelConfig, parameters: int) -> None:
    """Stops if the output folder is not writable, or has no room for one checkpoint.

    Args:
        args (`TrainingArguments`): The trainer's options.
        model_args (`ModelConfig`): The model's options.
        parameters (`int`): Number of the model's parameters.

    Raises:
        RecipeError: If so.
    """
    existing_folder = Path(args.output_dir).absolute()
    while not existing_folder.exists():
        existing_folder = existing_folder.parent
    try:
        with tempfile.TemporaryFile(dir=existing_folder):
            pass
    except OSError as error:
        raise RecipeError(f"output_dir: cannot write to {args.output_dir!r}: {error.strerror}.") from error
    weights_only = args.save_only_model or args.save_strategy == "no"
    bytes_per_parameter = 4 if weights_only else 12  # float32 weights, and AdamW's two moments
    if getattr(args, "sync_ref_model", False) and not weights_only:
        bytes_per_parameter += 4  # the reference model, see `training.reference_model`
    needed = parameters * bytes_per_parameter
    if model_args.use_peft:
        needed *= ADAPTER_CHECKPOINT_SHARE
    free = shutil.disk_usage(existing_folder).free
    if free < SPARE_ROOM * needed:
        raise RecipeError(
            f"output_dir: {existing_folder} has {free / 1e6:,.1f} MB free, "
            f"and one checkpoint takes about {needed / 1e6:,.1f} MB."
        )
