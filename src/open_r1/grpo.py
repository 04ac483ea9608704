"""Reinforcement learning with verifiable rewards, with TRL's GRPOTrainer.

It trains R1-Zero (DeepSeek-R1, §2.2) and R1's reasoning and all-scenario stages (§2.3).

Examples:

  # R1-Zero in miniature, on a CPU (its base model: src/open_r1/sft.py --config recipes/tiny/sft/config_base.yaml)
  accelerate launch src/open_r1/grpo.py --config recipes/tiny/grpo/config_zero.yaml

  # what a recipe would do, without loading any weights
  python src/open_r1/grpo.py --config recipes/tiny/grpo/config_zero.yaml --dry_run true

  # one node with 8 GPUs
  accelerate launch --config_file recipes/accelerate_configs/zero2.yaml \\
      src/open_r1/grpo.py --config recipes/Qwen2.5-Math-7B/grpo/config_zero.yaml

  # your own data, with the question and the gold answer in columns of any name
  ... --dataset_name my.jsonl --dataset_prompt_column question --dataset_solution_column answer

  # your own reward in addition to the accuracy reward
  ... --reward_funcs accuracy '{name: my_rewards.py:brevity, weight: 0.2}'
"""

from open_r1.configs import steps_of_a_round
from open_r1.configs.parser import parse_command_line, report_user_errors


def main() -> None:
    """Trains the policy of a recipe."""
    script_args, args, model_args = parse_command_line("grpo", __doc__)
    # Imported after parsing: these take seconds, and a mistake in the command line is reported at once.
    from trl import GRPOTrainer

    from open_r1.data.prompts import longest_prompt, require_full_batch
    from open_r1.models.chat_template import use_chat_template
    from open_r1.rewards import Composition
    from open_r1.training.reward_probe import count_model_parameters, probe_rewards
    from open_r1.training.rl_prompts import load_prompts
    from open_r1.training.run import check_resume, prepare, train
    from open_r1.training.start_up_box import show_start_up_box
    from open_r1.training.vllm_setup import set_up_vllm

    # Check the recipe
    run = prepare("grpo", script_args, args, model_args)
    tokenizer = run.model_info.tokenizer
    use_chat_template(tokenizer, script_args.chat_template_path)
    script_args.set_weights(args)
    script_args.require_whole_rounds(args)
    script_args.require_server(args)

    # Load the rewards and the prompts
    rewards = Composition(script_args.rewards, max_unjudged=script_args.max_unjudged)
    dataset, held_out = load_prompts(script_args, args, tokenizer, rewards)
    require_full_batch(dataset, args)
    check_resume(run, dataset)
    probe_rewards(rewards, dataset, tokenizer, args.num_generations, script_args.dry_run)

    # Set up generation
    if args.use_vllm:
        set_up_vllm(script_args, args)
    importance_sampling = script_args.choose_importance_sampling(args)

    # Show what is about to run
    prompt_length = script_args.max_prompt_length or longest_prompt(dataset, tokenizer)
    extra_lines = {
        "rewards": str(rewards),
        "completions": f"{run.global_batch:,} per step, {args.num_generations} per prompt, "
        f"at most {args.max_completion_length:,} tokens",
    }
    if importance_sampling:
        extra_lines["importance sampling"] = importance_sampling
    show_start_up_box(
        run,
        dataset,
        held_out,
        sequence_length=prompt_length + args.max_completion_length,
        extra_lines=extra_lines,
        sequences_per_row=args.num_generations * args.num_iterations,
        reward_parameters=count_model_parameters(rewards, script_args.dry_run),
    )
    if script_args.dry_run:
        return

    # Train, save and push
    train(
        run,
        GRPOTrainer,
        dataset,
        held_out,
        steps_of_a_round=steps_of_a_round(args),
        reward_funcs=rewards.for_trainer(),
    )


if __name__ == "__main__":
    with report_user_errors():
        main()
