"""src/open_r1/grpo.py with completions that depend on their prompt and their place in its group alone. Drawn from the model they would depend on the number of
processes, each of which has random numbers of its own."""

import random
import runpy

import trl


def scripted(prompts: list[str], trainer: trl.GRPOTrainer) -> dict:
    tokenizer, completions = trainer.processing_class, []
    for i, prompt in enumerate(prompts):
        draw = random.Random(f"{prompt} {i % trainer.num_generations}")
        thought = "".join(draw.choices("0123456789+-*=;", k=draw.randrange(1, 6)))
        completions.append(f"<think>{thought}</think><answer>{draw.randrange(10)}</answer>")
    ids = tokenizer(completions)["input_ids"]
    return {
        "prompt_ids": tokenizer(prompts)["input_ids"],
        "completion_ids": [row + [tokenizer.eos_token_id] for row in ids],
        "logprobs": None,
    }


class Scripted(trl.GRPOTrainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, rollout_func=scripted, **kwargs)


if __name__ == "__main__":
    trl.GRPOTrainer = Scripted
    runpy.run_path("src/open_r1/grpo.py", run_name="__main__")
