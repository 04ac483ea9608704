"""On-policy distillation (2306.13649): the student writes completions, and the teacher corrects them token by token.

DeepSeek-R1 (§2.4) distills by supervised fine-tuning on the teacher's completions, see `sft.py`. Here, the student
learns from its own completions, mistakes included, with TRL's DistillationTrainer. Teacher and student must have the
same vocabulary.

Examples:

  # the miniature's student learns from its R1
  accelerate launch src/open_r1/distillation.py --config recipes/tiny/distillation/config_on_policy.yaml

  # what a recipe would do, without loading any weights
  python src/open_r1/distillation.py --config recipes/tiny/distillation/config_on_policy.yaml --dry_run true

  # another teacher, other prompts
  ... --teacher_model_name_or_path my/teacher --dataset_name my.jsonl --dataset_prompt_column question
"""

from open_r1.configs.parser import parse_command_line, report_user_errors


def main() -> None:
    """Distills the teacher of a recipe into its student."""
    script_args, args, model_args = parse_command_line("distillation", __doc__)
    # Imported after parsing: these take seconds, and a mistake in the command line is reported at once.
    from trl import DistillationTrainer

    from open_r1.data.load import hide_short_progress_bars, load_train_and_eval
    from open_r1.data.prompts import longest_prompt, to_prompts
    from open_r1.models.chat_template import use_chat_template
    from open_r1.models.loading import load_teacher_info
    from open_r1.training.run import check_resume, prepare, train
    from open_r1.training.start_up_box import show_start_up_box
    from open_r1.training.vllm_setup import set_up_vllm

    # Check the recipe
    run = prepare("distillation", script_args, args, model_args)
    tokenizer = run.model_info.tokenizer
    use_chat_template(tokenizer, script_args.chat_template_path)
    teacher = load_teacher_info(args, tokenizer)
    if not script_args.dry_run:
        teacher.require_checkpoint("teacher_model_name_or_path")

    # Load the prompts
    dataset, held_out = load_train_and_eval(script_args.dataset, script_args, args)
    hide_short_progress_bars(dataset)
    dataset = to_prompts(dataset, script_args, tokenizer, with_solution=False)
    if held_out:
        held_out = to_prompts(held_out, script_args, tokenizer, with_solution=False)
    check_resume(run, dataset)

    # Set up generation
    if args.use_vllm:
        set_up_vllm(script_args, args)

    # Show what is about to run
    prompt_length = script_args.max_prompt_length or longest_prompt(dataset, tokenizer)
    show_start_up_box(
        run,
        dataset,
        held_out,
        sequence_length=prompt_length + args.max_completion_length,
        extra_lines={"teacher": f"{teacher.source} · {teacher.parameters / 1e6:,.2f}M parameters"},
    )
    if script_args.dry_run:
        return

    # Train, save and push
    train(run, DistillationTrainer, dataset, held_out, teacher_model=args.teacher_model_name_or_path)


if __name__ == "__main__":
    with report_user_errors():
        main()
