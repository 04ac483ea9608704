"""src/open_r1/grpo.py with completions that depend only on the prompt and the position in its group.

Completions sampled from the model would depend on the number of processes, since each has its own random numbers.
"""

import random
import runpy

import trl


def scripted_rollouts(prompts: list[str], trainer: trl.GRPOTrainer) -> dict:
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


class ScriptedGRPOTrainer(trl.GRPOTrainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, rollout_func=scripted_rollouts, **kwargs)


if __name__ == "__main__":
    trl.GRPOTrainer = ScriptedGRPOTrainer
    runpy.run_path("src/open_r1/grpo.py", run_name="__main__")
