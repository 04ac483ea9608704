"""On-policy distillation: the student writes, the teacher's probabilities correct it token by token (2306.13649), by TRL's DistillationTrainer.

Beside the paper's way, which is supervised fine-tuning on what the teacher wrote (`sft.py`): here the student learns on its own completions, mistakes
included. Teacher and student must have the same vocabulary.

Examples:

  # the miniature's student learns from its R1
  accelerate launch src/open_r1/distillation.py --config recipes/tiny/distillation/config_on_policy.yaml

  # what a recipe would do, without loading any weights
  python src/open_r1/distillation.py --config recipes/tiny/distillation/config_on_policy.yaml --dry_run true

  # another teacher, other prompts
  ... --teacher_model_name_or_path my/teacher --dataset_name my.jsonl --dataset_prompt_column question
"""

from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.utils.errors import RecipeError


SAMPLE = 1000  # prompts measured before training starts


def main() -> None:
    script_args, args, model_args = parse_command_line("distillation", __doc__)
    # Imported after parsing: these take seconds, and a mistake in the command line is reported at once.
    from trl import DistillationTrainer, ModelConfig

    from open_r1.data.load import hide_short_progress_bars, load_train_and_eval
    from open_r1.data.prompts import prompt_length, to_prompts
    from open_r1.models.chat_template import use_chat_template
    from open_r1.models.loading import load_model_info
    from open_r1.training import run as training

    run = training.prepare("distillation", script_args, args, model_args)
    tokenizer = run.blueprint.tokenizer
    use_chat_template(tokenizer, script_args.chat_template_path)
    teacher = load_model_info(
        ModelConfig(model_name_or_path=args.teacher_model_name_or_path), args.seed, args.trust_remote_code
    )
    if not script_args.dry_run:
        teacher.require_checkpoint("teacher_model_name_or_path")
    if teacher.tokenizer.get_vocab() != tokenizer.get_vocab():
        raise RecipeError(f"teacher_model_name_or_path: {teacher.source!r} has another vocabulary than the student.")
    rows, held_out = load_train_and_eval(script_args.dataset, script_args, args)
    hide_short_progress_bars(rows)
    dataset = to_prompts(rows, script_args, tokenizer, with_solution=False)
    held_out = held_out and to_prompts(held_out, script_args, tokenizer, with_solution=False)
    longest = script_args.max_prompt_length or max(prompt_length(p, tokenizer) for p in dataset[:SAMPLE]["prompt"])
    told = f"{teacher.source} · {teacher.parameters / 1e6:,.2f}M parameters"
    training.show(run, dataset, held_out, sequence=longest + args.max_completion_length, more={"teacher": told})
    if not script_args.dry_run:
        training.train(run, DistillationTrainer, dataset, held_out, teacher_model=args.teacher_model_name_or_path)


if __name__ == "__main__":
    with report_user_errors():
        main()
