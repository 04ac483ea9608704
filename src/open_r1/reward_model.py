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

import torch
from torch.nn.functional import logsigmoid
from trl import RewardTrainer

from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.conversations import as_text
from open_r1.data.load import hide_short_progress_bars, load_train_and_eval
from open_r1.data.preferences import to_pairs
from open_r1.models.chat_template import use_chat_template
from open_r1.models.loading import check_round_trip
from open_r1.training import run as training


SAMPLE = 256  # rows looked at before training starts


class PointwiseTrainer(RewardTrainer):
    """Judges each answer for itself."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        _, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)  # for TRL's metrics
        loss = pointwise_loss(outputs.logits)
        return (loss, outputs) if return_outputs else loss


def pointwise_loss(logits: torch.Tensor) -> torch.Tensor:
    """`-log σ(r)` of safe answers and `-log σ(-r)` of unsafe ones, on average (v2, §3.1).

    Args:
        logits (`torch.Tensor`): Scores, shape (2 × pairs, 1), the safe answers first.
    """
    safe, unsafe = torch.chunk(logits.squeeze(-1), 2)
    return -torch.cat([logsigmoid(safe), logsigmoid(-unsafe)]).mean()


def main():
    script_args, args, model_args = parse_command_line("reward_model", __doc__)
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
