"""Completions drawn in this process, a batch at a time: by transformers (any machine), or by vLLM."""

from typing import Any, Protocol

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase
from trl import ModelConfig

from open_r1.configs import GenerateArguments
from open_r1.generation.completion_store import Completion, Request
from open_r1.utils.errors import RecipeError
from open_r1.utils.imports import import_object, is_function


class Backend(Protocol):
    """Draws batches. The same batch gives the same completions."""

    def draw(self, jobs: list[Request]) -> list[Completion]: ...


class Transformers:
    """`generate` of transformers: slow, and runs everywhere.

    Args:
        args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        options (`GenerateArguments`): How to sample.
    """

    def __init__(self, args: ModelConfig, tokenizer: PreTrainedTokenizerBase, options: GenerateArguments):
        if is_function(args.model_name_or_path):
            self.model = import_object(args.model_name_or_path)(seed=options.seed)[0]
        else:
            dtype = "auto" if args.dtype in (None, "auto") else getattr(torch, args.dtype)
            self.model = AutoModelForCausalLM.from_pretrained(
                args.model_name_or_path,
                revision=args.model_revision,
                dtype=dtype,
                attn_implementation=args.attn_implementation,
                trust_remote_code=options.trust_remote_code,
            )
        self.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.tokenizer, self.sampling = tokenizer, options.sampling

    def draw(self, jobs: list[Request]) -> list[Completion]:
        texts = [self._text(job) for job in jobs]
        ids = [
            self.tokenizer(text, add_special_tokens=isinstance(job.prompt, str))["input_ids"]
            for text, job in zip(texts, jobs, strict=True)
        ]
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.tokenizer.eos_token_id
        width = max(map(len, ids))
        tokens = torch.tensor([[pad] * (width - len(row)) + row for row in ids], device=self.model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=self.model.device)
        torch.manual_seed(jobs[0].seed)  # the batch is always made of the same jobs
        with torch.inference_mode():
            output = self.model.generate(tokens, attention_mask=mask, pad_token_id=pad, **self._options())[:, width:]
        return [self._sample(row, len(prompt)) for row, prompt in zip(output.tolist(), ids, strict=True)]

    def _text(self, job: Request) -> str:
        if isinstance(job.prompt, str):
            return job.prompt
        return self.tokenizer.apply_chat_template(job.prompt, add_generation_prompt=True, tokenize=False)

    def _options(self) -> dict[str, Any]:
        sampling = self.sampling
        options: dict[str, Any] = {"max_new_tokens": sampling["max_tokens"], "eos_token_id": self._ends()}
        if sampling["stop"]:
            options |= {"stop_strings": sampling["stop"], "tokenizer": self.tokenizer}
        if sampling["temperature"] == 0:
            return options | {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        chosen = {key: sampling[key] for key in ("temperature", "top_p", "repetition_penalty")}
        return (
            options | chosen | {"do_sample": True, "top_k": sampling["top_k"] or 0, "min_p": sampling["min_p"] or None}
        )

    def _ends(self) -> list[int]:
        ends = self.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return sorted({end for end in [*ends, self.tokenizer.eos_token_id] if end is not None})

    def _sample(self, tokens: list[int], prompt_tokens: int) -> Completion:
        ends = set(self._ends())
        end = next((i for i, token in enumerate(tokens) if token in ends), None)
        kept = tokens[:end]
        text = self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        at = min((text.index(stop) for stop in self.sampling["stop"] if stop in text), default=None)
        reason = "length" if end is None and at is None else "stop"
        return Completion(text[:at], reason, prompt_tokens, len(kept))


class VLLM:
    """vLLM in this process: batched continuously, a seed a completion.

    Args:
        args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        options (`GenerateArguments`): How to sample; its `vllm_engine` has more arguments of `vllm.LLM`.

    Raises:
        RecipeError: If vLLM is not installed.
    """

    def __init__(self, args: ModelConfig, tokenizer: PreTrainedTokenizerBase, options: GenerateArguments):
        try:
            from vllm import LLM
        except ImportError as error:
            raise RecipeError(
                'backend: vllm is not installed here; pip install -e ".[gpu]", or use another backend.'
            ) from error
        self.sampling, self.chat_template = options.sampling, tokenizer.chat_template
        dtype = "auto" if args.dtype is None else args.dtype
        self.engine = LLM(
            args.model_name_or_path,
            revision=args.model_revision,
            dtype=dtype,
            trust_remote_code=options.trust_remote_code,
            **(options.vllm_engine or {}),
        )

    def draw(self, jobs: list[Request]) -> list[Completion]:
        from vllm import SamplingParams

        options = {key: value for key, value in self.sampling.items() if value is not None}
        parameters = [SamplingParams(seed=job.seed, **options) for job in jobs]
        if isinstance(jobs[0].prompt, str):
            outputs = self.engine.generate([job.prompt for job in jobs], parameters, use_tqdm=False)
        else:
            outputs = self.engine.chat(
                [job.prompt for job in jobs], parameters, use_tqdm=False, chat_template=self.chat_template
            )
        return [
            Completion(
                o.outputs[0].text,
                "length" if o.outputs[0].finish_reason == "length" else "stop",
                len(o.prompt_token_ids),
                len(o.outputs[0].token_ids),
            )
            for o in outputs
        ]
