"""Supervised fine-tuning with TRL's SFTTrainer: cold start, the 800k samples, distillation (DeepSeek-R1, §2.3, §2.4).

Examples:

  # pre-train the miniature base model, on a CPU
  accelerate launch src/open_r1/sft.py --config recipes/tiny/sft/config_base.yaml

  # what a recipe would do, without loading any weights
  python src/open_r1/sft.py --config recipes/tiny/sft/config_base.yaml --dry_run true

  # your own conversations (a `messages` column; also `prompt` + `completion`, or `text`)
  ... --dataset_name my.jsonl --model_name_or_path Qwen/Qwen2.5-1.5B

  # a chat template from a file; it must keep the thought, which is checked
  ... --chat_template_path recipes/chat_templates/chatml.jinja

  # to resume from the last complete checkpoint, run the same command again
  ... --output_dir outputs/my-run --save_steps 100
"""

from open_r1.configs.parser import parse_command_line, report_user_errors


def main() -> None:
    """Fine-tunes the model of a recipe."""
    script_args, args, model_args = parse_command_line("sft", __doc__)
    # Imported after parsing: these take seconds, and a mistake in the command line is reported at once.
    from trl import SFTTrainer

    from open_r1.data.load import hide_short_progress_bars, load_train_and_eval
    from open_r1.data.training_rows import to_training_rows
    from open_r1.data.training_text import check_training_text, drop_overlong, measure_rows
    from open_r1.models.chat_template import use_chat_template
    from open_r1.training.run import check_resume, prepare, train
    from open_r1.training.sequences import SequenceLengths
    from open_r1.training.start_up_box import show_start_up_box
    from open_r1.training.tokenizing_time import check_tokenizing_time

    # Check the recipe
    run = prepare("sft", script_args, args, model_args)
    tokenizer = run.model_info.tokenizer
    use_chat_template(tokenizer, args.chat_template_path)

    # Load the data
    dataset, held_out = load_train_and_eval(script_args.dataset, script_args, args)
    hide_short_progress_bars(dataset)
    dataset = to_training_rows(dataset, script_args, args.dataset_text_field)
    check_training_text(dataset, tokenizer, args)
    check_tokenizing_time(len(dataset), measure_rows(dataset, tokenizer, args), args)
    dataset = drop_overlong(dataset, tokenizer, args)
    if held_out:
        held_out = to_training_rows(held_out, script_args, args.dataset_text_field)
        check_training_text(held_out, tokenizer, args)
        held_out = drop_overlong(held_out, tokenizer, args)
    check_resume(run, dataset)

    # Show what is about to run
    sequences = SequenceLengths.of_rows(measure_rows(dataset, tokenizer, args), args)
    show_start_up_box(
        run,
        dataset,
        held_out,
        sequence_length=sequences.longest,
        extra_lines=sequences.describe(run.global_batch),
        sequences_per_row=1 / sequences.rows,
    )
    if script_args.dry_run:
        return

    # Train, save and push
    train(run, SFTTrainer, dataset, held_out)


if __name__ == "__main__":
    with report_user_errors():
        main()
