"""Merges an adapter (LoRA, QLoRA) into its base model.

The result is an ordinary checkpoint, which later stages, vLLM and evaluation can load. An adapter that was trained on
a quantized base is merged into the base in full precision, as QLoRA (2305.14314, §4) does for evaluation.

Examples:

  python src/open_r1/merge_adapter.py --adapter outputs/Qwen2.5-1.5B/zero_lora \\
      --output_dir outputs/Qwen2.5-1.5B/zero_merged
"""

import logging
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import torch
import yaml
from peft import AutoPeftModelForCausalLM

from open_r1.configs.parser import report_user_errors
from open_r1.models.loading import load_tokenizer
from open_r1.utils.errors import RecipeError, parse_mapping


logger = logging.getLogger(__name__)


def merge(adapter: Path, output_dir: Path, dtype: torch.dtype) -> None:
    """Writes the merged model and its tokenizer.

    Args:
        adapter (`Path`): Folder of the adapter, whose config names its base.
        output_dir (`Path`): Folder to write to, which must not hold a model yet.
        dtype (`torch.dtype`): Type of the merged weights. The sum is computed in float32.

    Raises:
        RecipeError: If there is no adapter, its base cannot be loaded, or the output folder holds a model.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise RecipeError(
            f"--adapter: no adapter_config.json in {str(adapter)!r}; "
            "expected what a run with `use_peft: true` has saved."
        )
    if (output_dir / "config.json").is_file():
        raise RecipeError(f"--output_dir: {str(output_dir)!r} holds a model already; choose another folder.")
    options = loading_options(adapter)
    try:
        model = AutoPeftModelForCausalLM.from_pretrained(adapter, dtype=torch.float32, **options)
    except (OSError, ValueError) as error:
        raise RecipeError(f"--adapter: its base cannot be loaded: {error}") from error
    merged = model.merge_and_unload(safe_merge=True).to(dtype)
    merged.save_pretrained(output_dir)
    load_tokenizer(str(adapter)).save_pretrained(output_dir)


def loading_options(adapter: Path) -> dict[str, Any]:
    """The options with which the adapter's base was loaded for training. PEFT only stores the base's name."""
    recipe = {}
    if (adapter / "recipe.yaml").is_file():
        recipe = yaml.safe_load((adapter / "recipe.yaml").read_text())
    options = recipe.get("model_init_kwargs") or {}
    if isinstance(options, str):
        options = parse_mapping(options, "model_init_kwargs")
    options = dict(options)
    for key in ("dtype", "torch_dtype", "quantization_config"):  # the base is loaded in full precision
        options.pop(key, None)
    if "model_revision" in recipe:
        options["revision"] = recipe["model_revision"]
    if "trust_remote_code" in recipe:
        options["trust_remote_code"] = recipe["trust_remote_code"]
    return options


def main() -> None:
    """Merges an adapter into its base model."""
    parser = ArgumentParser(
        "merge_adapter", description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--adapter", type=Path, required=True, help="Folder of the adapter.")
    parser.add_argument("--output_dir", type=Path, required=True, help="Folder of the merged model.")
    parser.add_argument(
        "--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"], help="Data type of the weights."
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    merge(args.adapter, args.output_dir, getattr(torch, args.dtype))
    logger.info("merged into %s", args.output_dir)


if __name__ == "__main__":
    with report_user_errors():
        main()
