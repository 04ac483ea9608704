"""A record of what gives a run its meaning, which each checkpoint holds as `run_record.json`.

A run that resumes compares itself with the record of its checkpoint. What does not matter to the result, such as
logging, is shown. What does, such as the rewards or the data, stops the run: one part of it would have been trained in
one way and the rest in another. `resume_with_changes: true` accepts this.
"""

import json
import logging
import math
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from transformers import TrainerCallback

from open_r1.utils.digests import hash_texts, hash_weights
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically
from open_r1.utils.text import shorten


if TYPE_CHECKING:
    from open_r1.training.run import Run

logger = logging.getLogger(__name__)

RECORD = "run_record.json"
MAX_SHOWN = 200  # characters of a value
HASHED_ROWS = 20_000  # of the training set: all of a smaller one, otherwise evenly spaced ones
BATCH_SIZE = 1000  # rows
FIRST_ROWS = 256  # of a mixture, whose later rows depend on the number of steps
SECRETS = {"hub_token"}
OF_ONE_CALL = {"dry_run", "output_dir", "resume_from_checkpoint", "resume_with_changes"}  # not worth a word

# Options that may change: the result of the run does not depend on them, or their effect is compared in itself.
HARMLESS_BY_REASON = {
    "how long the run is, and what it is called": """
        license max_steps num_train_epochs project run_name
    """,
    "what is logged": """
        debug disable_tqdm include_for_metrics include_num_input_tokens_seen log_completions log_completions_hub_repo
        log_level log_level_replica log_multimodal log_on_each_node log_unique_prompts logging_first_step
        logging_nan_inf_filter logging_steps logging_strategy num_completions_to_print report_to show_completions_every
        skip_memory_metrics trackio_bucket_id trackio_space_id trackio_static_space_id
    """,
    "what is saved and uploaded": """
        enable_jit_checkpoint greater_is_better hub_always_push hub_model_id hub_private_repo hub_revision hub_strategy
        hub_token load_best_model_at_end metric_for_best_model push_to_hub restore_callback_states_from_checkpoint
        save_on_each_node save_only_model save_steps save_strategy save_total_limit when_disk_is_full
    """,
    "what is evaluated": """
        batch_eval_metrics bf16_full_eval dataset_test_split do_eval do_predict do_train eval_accumulation_steps
        eval_delay eval_do_concat_batches eval_on_start eval_packing eval_split_size eval_steps eval_strategy
        eval_use_gather_object evaluation_recipe evaluation_slurm fp16_full_eval max_eval_samples num_generations_eval
        per_device_eval_batch_size
    """,
    "what is tolerated": """
        max_non_finite max_unjudged max_unusable_golds
    """,
    "hardware and kernels": """
        accelerate_config accelerator_config activation_offloading attn_implementation auto_find_batch_size
        cache_implementation dataloader_drop_last dataloader_in_order dataloader_multiprocessing_context
        dataloader_num_workers dataloader_persistent_workers dataloader_pin_memory dataloader_prefetch_factor
        dataset_num_proc ddp_backend ddp_broadcast_buffers ddp_bucket_cap_mb ddp_find_unused_parameters
        ddp_static_graph ddp_timeout deepspeed ds3_gather_for_generation fsdp fsdp_config full_determinism
        gradient_checkpointing gradient_checkpointing_kwargs liger_kernel_config local_rank pad_to_multiple_of
        padding_free parallelism_config tf32 torch_compile torch_compile_backend torch_compile_mode
        torch_empty_cache_steps transformers_continuous_batching_config trust_remote_code use_cache use_cpu
        use_liger_kernel use_transformers_continuous_batching use_transformers_paged use_vllm vllm_enable_sleep_mode
        vllm_engine vllm_gpu_memory_utilization vllm_group_port vllm_max_model_length vllm_mode vllm_model_impl
        vllm_nodes vllm_server_base_url vllm_server_host vllm_server_port vllm_server_timeout vllm_tensor_parallel_size
    """,
    "compared as the rows": """
        dataset_config dataset_format dataset_kwargs dataset_messages_column dataset_name dataset_params
        dataset_prompt_column dataset_solution_column dataset_text_field dataset_train_split max_prompt_length
        prompt_template system_prompt user_template
    """,
    "compared as the chat template, the batches or `reward_funcs`": """
        chat_template_path generation_batch_size gradient_accumulation_steps per_device_train_batch_size reward_weights
        steps_per_generation
    """,
}
HARMLESS = {name for names in HARMLESS_BY_REASON.values() for name in names.split()}


@dataclass
class Change:
    """Something that differs between a checkpoint and the run that resumes from it.

    Args:
        name (`str`): The recipe's key, or what was compared.
        before (`Any`): In the run that wrote the checkpoint.
        now (`Any`): In this run.
        is_harmless (`bool`): Whether the run keeps its meaning.
    """

    name: str
    before: Any
    now: Any
    is_harmless: bool

    def __str__(self) -> str:
        before = shorten(str(self.before), MAX_SHOWN)
        now = shorten(str(self.now), MAX_SHOWN)
        return f"{self.name} was {before} and is {now}"


class RunRecord(TrainerCallback):
    """Writes the record of the run into each checkpoint.

    Args:
        record (`dict`): From [`describe_run`].
    """

    def __init__(self, record: dict[str, Any]):
        self.record = record

    def on_save(self, args, state, control, **kwargs) -> None:
        """Writes the record. `CheckpointManifest`, which is called later, lists it among the checkpoint's files."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and checkpoint.is_dir():
            text = json.dumps(self.record, indent=1, ensure_ascii=False) + "\n"
            write_text_atomically(checkpoint / RECORD, text)


def describe_run(run: "Run", dataset: Dataset) -> dict[str, Any]:
    """Describes everything that the result of a run depends on.

    Args:
        run (`Run`): The run.
        dataset (`Dataset`): The rows that it trains on.

    Returns:
        `dict`: What JSON can hold: the values of all options, which of them the recipe sets, and digests.
    """
    args = run.training_args
    options = {}
    for arguments in (run.script_args, args, run.model_args):
        for field in fields(arguments):
            if field.init and field.name not in SECRETS:
                options[field.name] = getattr(arguments, field.name)
    mixture = getattr(run.script_args, "mixture", [])
    rewards = getattr(run.script_args, "rewards", [])
    options["reward_funcs"] = [_set_fields(spec) for spec in sorted(rewards, key=lambda spec: spec.name)]
    options["sources"] = [_set_fields(source) for source in mixture]
    batches = {"sequences per step": run.global_batch}
    if hasattr(args, "generation_batch_size"):
        batches["completions per round"] = args.generation_batch_size
    record = {
        "stage": run.stage,
        "set_options": sorted(run.recipe),
        "options": options,
        "batches": batches,
        "data": describe_rows(dataset, is_mixture=bool(mixture)),
        "weights": hash_weights(Path(str(run.model_args.model_name_or_path))),
        "chat_template": _hash_chat_template(run.model_info.tokenizer.chat_template),
        "reward_files": _hash_reward_files([spec.name for spec in rewards]),
    }
    return json.loads(json.dumps(record, default=_to_json))


def describe_rows(dataset: Dataset, is_mixture: bool) -> dict[str, Any]:
    """Describes the rows that a run trains on, by their number and the contents of some of them.

    Args:
        dataset (`Dataset`): The rows.
        is_mixture (`bool`):
            Whether the rows are those of a whole run, in the order of its steps: a longer run then has more of them,
            after the same first ones. They were selected from the rows of all sources, which are described too.
    """
    if is_mixture:
        first = dataset.select(range(min(FIRST_ROWS, len(dataset))))
        sources = Dataset(dataset.data, info=dataset.info)  # without the selection
        return {
            "first_rows": [_hash_columns(row)[:8] for row in first],
            "sources": describe_rows(sources, is_mixture=False),
        }
    step = math.ceil(len(dataset) / HASHED_ROWS)
    sample = dataset.select(range(0, len(dataset), step))
    digests = []
    for start in range(0, len(sample), BATCH_SIZE):
        digests.append(_hash_columns(sample[start : start + BATCH_SIZE]))
    return {"rows": len(dataset), "digest": hash_texts(digests)}


def find_changes(before: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    """Compares two records. Of the options, only those count that one of the two recipes sets.

    Args:
        before (`dict`): The record of the checkpoint.
        now (`dict`): The record of the run that resumes.
    """
    if before["stage"] != now["stage"]:
        return [Change("the stage", before["stage"], now["stage"], is_harmless=False)]
    changes = []
    same_weights = before["weights"] is not None and before["weights"] == now["weights"]
    for name in sorted({*before["set_options"], *now["set_options"]} - OF_ONE_CALL):
        if name not in before["options"] or name not in now["options"]:
            continue
        old = before["options"][name]
        new = now["options"][name]
        if old != new:
            is_harmless = name in HARMLESS or (name == "model_name_or_path" and same_weights)
            changes.append(Change(name, old, new, is_harmless))
    for name, old in before["batches"].items():
        new = now["batches"].get(name)
        if new != old:
            changes.append(Change(name, old, new, is_harmless=False))
    if not _are_same_rows(before["data"], now["data"]):
        changes.append(Change("the training data", _name_rows(before), _name_rows(now), is_harmless=False))
    if before["weights"] != now["weights"] and before["weights"] and now["weights"]:
        changes.append(Change("digest of the model's weights", before["weights"], now["weights"], is_harmless=False))
    if before["chat_template"] != now["chat_template"]:
        changes.append(
            Change("digest of the chat template", before["chat_template"], now["chat_template"], is_harmless=False)
        )
    for path, old in before["reward_files"].items():
        new = now["reward_files"].get(path, old)  # another list of rewards is a change of `reward_funcs`
        if new != old:
            changes.append(Change(f"digest of {path}", old, new, is_harmless=True))
    return changes


def compare_with_checkpoint(run: "Run", record: dict[str, Any]) -> list[Change]:
    """Finds what has changed since the checkpoint that a run resumes from.

    Args:
        run (`Run`): The run.
        record (`dict`): Its record, from [`describe_run`].

    Returns:
        `list[Change]`: The changes. None if the checkpoint has no record, which is logged.

    Raises:
        RecipeError: If the run would get another meaning, and the recipe does not ask for it.
    """
    checkpoint = Path(run.resume_from)
    before = read_record(checkpoint)
    if before is None:
        logger.warning("%s has no %s: whether the recipe has changed since then is not known", checkpoint, RECORD)
        return []
    changes = find_changes(before, record)
    meaningful = [str(change) for change in changes if not change.is_harmless]
    harmless = [str(change) for change in changes if change.is_harmless]
    is_own = checkpoint.resolve().parent == Path(run.training_args.output_dir).resolve()
    if meaningful and is_own and not run.script_args.resume_with_changes:
        also = ""
        if harmless:
            also = f" (harmless: {'; '.join(harmless)})"
        raise RecipeError(
            f"output_dir: {run.training_args.output_dir} holds a run of another kind, which would resume from "
            f"{checkpoint.name}: {'; '.join(meaningful)}{also}. Use another output_dir, or accept the changes: "
            "--resume_with_changes true"
        )
    return changes


def read_record(checkpoint: Path) -> dict[str, Any] | None:
    """The record of a checkpoint; `None` if it was written without one, by an earlier version or another program."""
    try:
        return json.loads((checkpoint / RECORD).read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RecipeError(f"output_dir: {checkpoint / RECORD} cannot be read: {error}. Remove this file.") from error


def _set_fields(entry: Any) -> dict[str, Any] | str:
    """An entry of `reward_funcs` or `sources` without what it leaves at the default; just its name if that is all.

    >>> from open_r1.configs import RewardSpec
    >>> _set_fields(RewardSpec("format")), _set_fields(RewardSpec("format", weight=0.5))
    ('format', {'name': 'format', 'weight': 0.5})
    """
    default = type(entry)("")
    values = asdict(entry)
    for name, value in asdict(default).items():
        if values[name] == value:
            del values[name]
    names = list(values.values())
    return names[0] if len(names) == 1 else values


def _are_same_rows(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether two descriptions of rows agree; the order of those of a mixture as far as both go."""
    if "first_rows" not in before or "first_rows" not in now:
        return before == now
    if "sources" in before and before["sources"] != now["sources"]:
        return False
    pairs = zip(before["first_rows"], now["first_rows"], strict=False)
    return all(old == new for old, new in pairs)


def _name_rows(record: dict[str, Any]) -> str:
    """Names the data set of a record, its number of rows and its digest."""
    name = record["options"].get("dataset_name") or "a mixture"
    data = record["data"]
    data = data.get("sources", data)
    if "rows" not in data:  # a mixture of an earlier version
        return name
    return f"{name}, {data['rows']:,} rows ({data['digest']})"


def _hash_columns(columns: dict[str, Any]) -> str:
    """A hash of one row, or of several as lists by column."""
    return hash_texts([json.dumps(columns, sort_keys=True, default=_to_json)])


def _hash_chat_template(template: str | dict | None) -> str | None:
    return hash_texts([str(template)]) if template else None


def _hash_reward_files(names: list[str]) -> dict[str, str]:
    """Digests of the files that hold a user's own rewards."""
    digests = {}
    for name in names:
        path = name.rpartition(":")[0]
        if path.endswith(".py"):
            digests[path] = hash_texts([Path(path).read_text(errors="replace")])
    return digests


def _to_json(value: Any) -> Any:
    """A value that JSON lacks, in a form that is the same in every process."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return hash_texts([value.hex()])
    if isinstance(value, date):  # also a time
        return value.isoformat()
    text = str(value)
    return type(value).__name__ if " at 0x" in text else text
