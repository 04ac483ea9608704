"""Measured peak memory of training beside the estimate of `python -m open_r1.plan`.

Each measurement runs in its own process: TRL's SFTTrainer trains a random model on the CPU. The peak (VmHWM), less the
memory used before the model was created, is compared with the estimate.

    python benchmarks/memory_on_cpu.py
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


LENGTH = 512  # tokens of a sequence
# hidden size, layers, inner size, tokens in a forward pass, checkpointing, LoRA
SHAPES = [
    (256, 8, 1024, 4096, False, False),
    (256, 8, 1024, 4096, True, False),
    (512, 8, 1408, 1024, False, False),
    (1024, 8, 2816, 512, False, False),
    (512, 8, 1408, 2048, False, True),
]


def status(name: str) -> float:
    """An entry of /proc/self/status, in bytes."""
    return float(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def train(width: int, layers: int, inner: int, tokens: int, checkpointing: bool, lora: bool):
    """Trains two steps in this process; returns the configurations of model and training."""
    from datasets import Dataset
    from transformers import Qwen2Config, Qwen2ForCausalLM
    from trl import ModelConfig, SFTConfig, SFTTrainer, get_peft_config

    from open_r1.data import tiny

    _, tokenizer = tiny.base_model(seed=0)
    config = Qwen2Config(
        hidden_size=width,
        num_hidden_layers=layers,
        intermediate_size=inner,
        num_attention_heads=width // 64,
        num_key_value_heads=max(1, width // 128),
        vocab_size=8192,
        max_position_embeddings=LENGTH,
    )
    model_args = ModelConfig(use_peft=lora, lora_target_modules=["all-linear"] if lora else None)
    rows = Dataset.from_list([{"input_ids": [i % 100 + 10 for i in range(LENGTH)]}] * (2 * tokens // LENGTH))
    with tempfile.TemporaryDirectory() as folder:
        args = SFTConfig(
            folder,
            per_device_train_batch_size=tokens // LENGTH,
            max_steps=2,
            max_length=LENGTH,
            gradient_checkpointing=checkpointing,
            bf16=False,
            use_cpu=True,
            save_strategy="no",
            logging_steps=1,
            report_to="none",
            disable_tqdm=True,
        )
        model = Qwen2ForCausalLM(config)
        peft_config = get_peft_config(model_args)
        trainer = SFTTrainer(model, args, train_dataset=rows, processing_class=tokenizer, peft_config=peft_config)
        trainer.train()
    return config, model_args, args


def measure(*shape) -> dict[str, float]:
    """Trains twice in this process: first a minimal model, which loads all libraries, then the given shape."""
    import gc

    import torch

    from open_r1.planning.memory import training_memory
    from open_r1.planning.model_shape import ModelShape

    torch.set_num_threads(1)
    train(64, 1, 64, LENGTH, False, False)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = status("VmRSS")
    config, model_args, args = train(*shape)
    measured = status("VmHWM") - before
    estimated = training_memory(ModelShape.from_config(config), model_args, args, shape[3], 1, 0)
    return {"measured": measured, "estimated": sum(estimated.values()), **estimated}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", help="Measure only this shape (a JSON list) and print JSON.")
    args = parser.parse_args()
    if args.shape:
        sys.stdout.write(json.dumps(measure(*json.loads(args.shape))) + "\n")
        return
    print("hidden layers inner tokens checkpointing LoRA   measured  estimated  ratio")
    for shape in SHAPES:
        result = run(shape)
        columns = "  ".join(f"{str(value):>6}" for value in shape)
        measured, estimated = result["measured"], result["estimated"]
        sizes = f"{measured / 2**20:8,.0f} MiB {estimated / 2**20:8,.0f} MiB"
        print(f"{columns}  {sizes}  {estimated / measured:.2f}", flush=True)


def run(shape: tuple) -> dict[str, float]:
    """Measures one shape in its own process."""
    command = [sys.executable, __file__, "--shape", json.dumps(shape)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
