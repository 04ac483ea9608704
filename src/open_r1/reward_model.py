"""Trains reward models for what rules cannot judge, helpfulness and harmlessness, with TRL's RewardTrainer.

This follows DeepSeek-R1, §2.3.4 (v2, §3.1). The helpfulness model learns from pairs, with the pairwise loss
`-log σ(r_chosen - r_rejected)`; the harmlessness model learns from labels, with the pointwise loss
`-log σ(r_safe) - log σ(-r_unsafe)`. Both start from a policy with a scalar head.

Examples:

  # the miniature's two reward models
  accelerate launch src/open_r1/reward_model.py --config recipes/tiny/reward_model/config_helpfulness.yaml
  accelerate launch src/open_r1/reward_model.py --config recipes/tiny/reward_model/config_harmlessness.yaml

  # what a recipe would do, without loading any weights
  python src/open_r1/reward_model.py --config recipes/tiny/reward_model/config_helpfulness.yaml --dry_run true

  # your own pairs (`chosen`, `rejected`; also scores, if `min_gap` should drop pairs that are too close)
  ... --dataset_name trl-lib/ultrafeedback_binarized --min_gap 1
"""

from open_r1.configs.parser import parse_command_line, report_user_errors


OBJECTIVES = {"helpfulness": "pairs, by the final summary", "harmlessness": "labels, by the whole answer"}


def main() -> None:
    """Trains the reward model of a recipe."""
    script_args, args, model_args = parse_command_line("reward_model", __doc__)
    # Imported after parsing: these take seconds, and a mistake in the command line is reported at once.
    from trl import RewardTrainer

    from open_r1.data.load import hide_short_progress_bars, load_train_and_eval
    from open_r1.data.preferences import to_pairs
    from open_r1.models.chat_template import use_chat_template
    from open_r1.training.reward_models import PointwiseTrainer, check_pairs, drop_overlong_pairs
    from open_r1.training.run import check_resume, prepare, train
    from open_r1.training.start_up_box import show_start_up_box

    # Check the recipe
    run = prepare("reward_model", script_args, args, model_args)
    tokenizer = run.model_info.tokenizer
    use_chat_template(tokenizer, args.chat_template_path)

    # Load the data
    dataset, held_out = load_train_and_eval(script_args.dataset, script_args, args)
    hide_short_progress_bars(dataset)
    pairs = to_pairs(dataset, script_args, args.seed)
    longest = check_pairs(pairs, tokenizer)
    pairs = drop_overlong_pairs(pairs, tokenizer, args)
    if held_out:
        held_out = to_pairs(held_out, script_args, args.seed)
        check_pairs(held_out, tokenizer)
        held_out = drop_overlong_pairs(held_out, tokenizer, args)
    check_resume(run, pairs)

    # Show what is about to run
    show_start_up_box(
        run,
        pairs,
        held_out,
        sequence_length=2 * min(args.max_length or longest, longest),
        extra_lines={"objective": f"{script_args.objective}: {OBJECTIVES[script_args.objective]}"},
    )
    if script_args.dry_run:
        return

    # Train, save and push
    trainer_class = RewardTrainer if script_args.objective == "helpfulness" else PointwiseTrainer
    train(run, trainer_class, pairs, held_out)


if __name__ == "__main__":
    with report_user_errors():
        main()
