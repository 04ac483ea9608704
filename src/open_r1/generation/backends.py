"""Back ends that generate completions one batch at a time: transformers (on any machine) and one vLLM engine."""

from typing import Any, Protocol

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase
from trl import ModelConfig

from open_r1.configs import GenerateArguments
from open_r1.generation.completion_store import Completion, Request
from open_r1.models.loading import build_model
from open_r1.utils.errors import RecipeError
from open_r1.utils.imports import is_function


class Backend(Protocol):
    """Generates completions."""

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Generates the completions of a batch; the same batch always gives the same completions."""
        ...

    def close(self) -> None:
        """Frees its memory, for the next model."""
        ...


class TransformersBackend:
    """Generates with transformers' `generate`: slow, but it runs everywhere.

    Args:
        model_args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        args (`GenerateArguments`): How to sample.
    """

    def __init__(self, model_args: ModelConfig, tokenizer: PreTrainedTokenizerBase, args: GenerateArguments):
        self.tokenizer = tokenizer
        self.sampling = args.sampling
        self.model = _load_model(model_args, args)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.eos_token_ids = self._find_eos_token_ids()

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Generates the completions of a batch.

        Args:
            requests (`list[Request]`): The batch. The seed and the maximum length of its first request are used for
                all, so a resumed run must form the same batches.
        """
        prompts = [tokenize_request(request, self.tokenizer) for request in requests]
        pad_token_id = self.tokenizer.pad_token_id
        if pad_token_id is None:
            pad_token_id = self.tokenizer.eos_token_id
        width = max(len(prompt) for prompt in prompts)
        input_ids = []
        attention_mask = []
        for prompt in prompts:
            padding = width - len(prompt)
            input_ids.append([pad_token_id] * padding + prompt)
            attention_mask.append([0] * padding + [1] * len(prompt))
        torch.manual_seed(requests[0].seed)
        with torch.inference_mode():
            output = self.model.generate(
                torch.tensor(input_ids, device=self.model.device),
                attention_mask=torch.tensor(attention_mask, device=self.model.device),
                pad_token_id=pad_token_id,
                **self._generation_options(requests[0].max_tokens),
            )
        completions = []
        for tokens, prompt, request in zip(output[:, width:].tolist(), prompts, requests, strict=True):
            completion = self._to_completion(tokens, len(prompt))
            completion.completion = request.prefix + completion.completion
            completions.append(completion)
        return completions

    def close(self) -> None:
        """Frees the memory of the model."""
        del self.model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _generation_options(self, max_tokens: int | None) -> dict[str, Any]:
        sampling = self.sampling
        if max_tokens is None:
            max_tokens = sampling["max_tokens"]
        options: dict[str, Any] = {"max_new_tokens": max_tokens, "eos_token_id": self.eos_token_ids}
        if sampling["stop"]:
            options["stop_strings"] = sampling["stop"]
            options["tokenizer"] = self.tokenizer
        options["repetition_penalty"] = sampling["repetition_penalty"]
        if sampling["temperature"] == 0:
            greedy = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
            return options | greedy
        options["do_sample"] = True
        options["temperature"] = sampling["temperature"]
        options["top_p"] = sampling["top_p"]
        options["top_k"] = sampling["top_k"] or 0
        options["min_p"] = sampling["min_p"] or None
        return options

    def _find_eos_token_ids(self) -> list[int]:
        """The tokens that end a completion, according to the model's generation config and the tokenizer."""
        configured = self.model.generation_config.eos_token_id
        token_ids = configured if isinstance(configured, list) else [configured]
        token_ids = {*token_ids, self.tokenizer.eos_token_id}
        token_ids.discard(None)
        return sorted(token_ids)

    def _to_completion(self, tokens: list[int], prompt_tokens: int) -> Completion:
        """Cuts the generated tokens at the first end-of-sequence token, and their text at the first stop string."""
        kept = tokens
        finish_reason = "length"
        for index, token in enumerate(tokens):
            if token in self.eos_token_ids:
                kept = tokens[:index]
                finish_reason = "stop"
                break
        text = self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        stop_positions = [text.index(stop) for stop in self.sampling["stop"] if stop in text]
        if stop_positions:
            text = text[: min(stop_positions)]
            finish_reason = "stop"
        return Completion(text, finish_reason, prompt_tokens, len(kept))


def tokenize_request(request: Request, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens of a prompt, and of the prefix of its completion.

    Args:
        request (`Request`): The prompt and the prefix.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer, with a chat template if the prompt consists of messages.
    """
    if isinstance(request.prompt, str):
        tokens = tokenizer(request.prompt, add_special_tokens=True)["input_ids"]
    else:
        text = tokenizer.apply_chat_template(request.prompt, add_generation_prompt=True, tokenize=False)
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    if request.prefix:
        tokens += tokenizer(request.prefix, add_special_tokens=False)["input_ids"]
    return tokens


class VLLMBackend:
    """Generates with vLLM in this process: continuous batching, one seed per completion.

    Args:
        model_args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        args (`GenerateArguments`): How to sample; `vllm_engine` holds further arguments of `vllm.LLM`.

    Raises:
        RecipeError: If vLLM is not installed.
    """

    def __init__(self, model_args: ModelConfig, tokenizer: PreTrainedTokenizerBase, args: GenerateArguments):
        try:
            from vllm import LLM
        except ImportError as error:
            raise RecipeError(
                'backend: vLLM is not installed; pip install -e ".[gpu]", or use another backend.'
            ) from error
        self.sampling = args.sampling
        self.tokenizer = tokenizer
        options = {
            "revision": model_args.model_revision,
            "dtype": model_args.dtype or "auto",
            "trust_remote_code": args.trust_remote_code,
        }
        options |= args.vllm_engine or {}
        options.pop("data_parallel_size", None)  # the number of engines, of which this is one; see `engines`
        self.engine = LLM(model_args.model_name_or_path, **options)

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Generates the completions of a batch.

        Args:
            requests (`list[Request]`): The batch.
        """
        from vllm import SamplingParams

        options = {key: value for key, value in self.sampling.items() if value is not None}
        prompts = [request.prompt for request in requests]
        parameters = []
        for request in requests:
            max_tokens = request.max_tokens
            if max_tokens is None:
                max_tokens = self.sampling["max_tokens"]
            own_options = {"seed": request.seed, "max_tokens": max_tokens}
            parameters.append(SamplingParams(**(options | own_options)))
        if any(request.prefix for request in requests):
            prompts = [{"prompt_token_ids": tokenize_request(request, self.tokenizer)} for request in requests]
            outputs = self.engine.generate(prompts, parameters, use_tqdm=False)
        elif isinstance(prompts[0], str):
            outputs = self.engine.generate(prompts, parameters, use_tqdm=False)
        else:
            outputs = self.engine.chat(prompts, parameters, use_tqdm=False, chat_template=self.tokenizer.chat_template)
        completions = []
        for request, output in zip(requests, outputs, strict=True):
            generated = output.outputs[0]
            finish_reason = "length" if generated.finish_reason == "length" else "stop"
            text = request.prefix + generated.text
            completions.append(Completion(text, finish_reason, len(output.prompt_token_ids), len(generated.token_ids)))
        return completions

    def close(self) -> None:
        """Ends the processes of the engine, which frees its GPUs."""
        self.engine.llm_engine.engine_core.shutdown()


def _load_model(model_args: ModelConfig, args: GenerateArguments) -> torch.nn.Module:
    if is_function(model_args.model_name_or_path):
        model, _ = build_model(model_args.model_name_or_path, args.seed)
        return model
    dtype = model_args.dtype
    return AutoModelForCausalLM.from_pretrained(
        model_args.model_name_or_path,
        revision=model_args.model_revision,
        dtype="auto" if dtype in (None, "auto") else getattr(torch, dtype),
        attn_implementation=model_args.attn_implementation,
        trust_remote_code=args.trust_remote_code,
    )
