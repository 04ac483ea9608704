"""Whether a run's rows are tokenized before its other processes give up waiting for them.

TRL tokenizes in one process; the others wait, and then read its result from the cache of `datasets`.
"""

from transformers import TrainingArguments

from open_r1.utils.errors import RecipeError


SECONDS_PER_TOKEN = 2.4e-6  # measured on one core: 15.5 ms for a row of 6,400 tokens
MARGIN = 2  # slower cores, and more processes than cores


def check_tokenizing_time(rows: int, lengths: list[int], args: TrainingArguments) -> None:
    """Stops if tokenizing may take longer than the other processes wait. They would end the run hours later.

    Args:
        rows (`int`): Number of rows.
        lengths (`list[int]`): Lengths of some of them, in tokens.
        args (`TrainingArguments`): For `dataset_num_proc` and `ddp_timeout`.

    Raises:
        RecipeError: With values that are enough.
    """
    if args.world_size == 1:
        return
    tokens_per_row = sum(lengths) / len(lengths)
    processes = args.dataset_num_proc or 1
    alone = MARGIN * rows * tokens_per_row * SECONDS_PER_TOKEN
    seconds = alone / processes
    if seconds <= args.ddp_timeout:
        return
    raise RecipeError(
        f"ddp_timeout: tokenizing {rows:,} rows of {tokens_per_row:,.0f} tokens in {processes} process(es) may take "
        f"{seconds:,.0f} s, and the other processes of the run wait for {args.ddp_timeout:,} s; raise it, or set "
        f"`dataset_num_proc: {int(alone // args.ddp_timeout) + 1}` or more."
    )
