"""Reward models for what rules cannot judge: helpfulness and harmlessness (DeepSeek-R1, §2.3.4; v2, §3.1) by TRL's RewardTrainer.

Helpfulness learns from pairs, by the pairwise loss `-log σ(r_chosen - r_rejected)`; harmlessness from labels, by the pointwise loss
`-log σ(r_safe) - log σ(-r_unsafe)`. Both start from a policy with a scalar head.

Examples:

  # the miniature's two reward models
  accelerate launch src/open_r1/reward_model.py --config recipes/tiny/reward_model/config_helpfulness.yaml
  accelerate launch src/open_r1/reward_model.py --config recipes/tiny/reward_model/config_harmlessness.yaml

  # what a recipe would do, without loading any weights
  python src/open_r1/reward_model.py --config recipes/tiny/reward_model/config_helpfulness.yaml --dry_run true

  # your own pairs (`chosen`, `rejected`; scores only if `min_gap` is to drop pairs that are too close)
  ... --dataset_name trl-lib/ultrafeedback_binarized --min_gap 1
"""

from open_r1.configs.parser import parse_command_line, report_user_errors


SAMPLE = 256  # rows looked at before training starts


def main() -> None:
    script_args, args, model_args = parse_command_line("reward_model", __doc__)
    # Imported after parsing: these take seconds, and a mistake in the command line is reported at once.
    from trl import RewardTrainer

    from open_r1.data.conversations import as_text
    from open_r1.data.load import hide_short_progress_bars, load_train_and_eval
    from open_r1.data.preferences import to_pairs
    from open_r1.models.chat_template import use_chat_template
    from open_r1.models.loading import check_round_trip
    from open_r1.training import run as training
    from open_r1.training.pointwise import PointwiseTrainer

    run = training.prepare("reward_model", script_args, args, model_args)
    tokenizer = run.blueprint.tokenizer
    use_chat_template(tokenizer, args.chat_template_path)
    rows, held_out = load_train_and_eval(script_args.dataset, script_args, args)
    hide_short_progress_bars(rows)
    pairs = to_pairs(rows, script_args, args.seed)
    held_out = held_out and to_pairs(held_out, script_args, args.seed)
    texts = [
        as_text(row[name], tokenizer)
        for row in pairs.select(range(min(SAMPLE, len(pairs))))
        for name in ("chosen", "rejected")
    ]
    check_round_trip(tokenizer, texts[:8])
    longest = max(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    judged = {"helpfulness": "pairs, by the final summary", "harmlessness": "labels, by the whole answer"}
    training.show(
        run,
        pairs,
        held_out,
        sequence=2 * min(args.max_length or longest, longest),
        more={"objective": f"{script_args.objective}: {judged[script_args.objective]}"},
    )
    if not script_args.dry_run:
        training.train(
            run, RewardTrainer if script_args.objective == "helpfulness" else PointwiseTrainer, pairs, held_out
        )


if __name__ == "__main__":
    with report_user_errors():
        main()
