"""The miniature's tokenizer and models: a Qwen2 like any other, only small."""

from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer, set_seed
from transformers.convert_slow_tokenizer import bytes_to_unicode


TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
CHINESE = "等于几？，所以然后对重新算一遍答案是"


def tokenizer(characters: str = CHINESE) -> Qwen2Tokenizer:
    """One token per character: printable ASCII, newline and the given characters; the tags are one token each.

    A byte-level BPE like any Qwen2's, so that whatever loads a Qwen2 (vLLM, for one) loads this. Its merges only join
    the bytes of a character.

    Args:
        characters (`str`, *optional*): The characters beside ASCII; by default those that the miniature's data uses.
    """
    symbols = bytes_to_unicode()
    printable_ascii = range(32, 127)
    newline = 10
    ascii_symbols = [symbols[byte] for byte in [*printable_ascii, newline]]
    vocab: dict[str, int] = {}
    for token in ["<pad>", "<eos>", "<unk>", *TAGS, *ascii_symbols]:
        vocab[token] = len(vocab)
    merges = []
    for character in sorted(set(characters)):
        prefix, *rest = [symbols[byte] for byte in character.encode()]
        for symbol in rest:
            merges.append((prefix, symbol))
            prefix += symbol
    for left, right in merges:
        for token in (left, right, left + right):
            vocab.setdefault(token, len(vocab))
    qwen2_tokenizer = Qwen2Tokenizer(
        vocab,
        list(dict.fromkeys(merges)),
        unk_token="<unk>",
        eos_token="<eos>",
        pad_token="<pad>",
        padding_side="left",
    )
    qwen2_tokenizer.add_tokens(TAGS)
    return qwen2_tokenizer


def base_model(seed: int) -> tuple[Qwen2ForCausalLM, Qwen2Tokenizer]:
    """An untrained Qwen2 of 0.66M parameters (3 layers, width 128) and its tokenizer."""
    return qwen2(seed, width=128, layers=3)


def student_model(seed: int) -> tuple[Qwen2ForCausalLM, Qwen2Tokenizer]:
    """An untrained Qwen2 of 0.12M parameters (2 layers, width 64) to distil into, and the same tokenizer."""
    return qwen2(seed, width=64, layers=2)


def qwen2(seed: int, width: int, layers: int, characters: str = CHINESE) -> tuple[Qwen2ForCausalLM, Qwen2Tokenizer]:
    """An untrained Qwen2 and its tokenizer.

    Args:
        seed (`int`): Seed of the weights.
        width (`int`): Hidden size; a multiple of 32, the size of an attention head.
        layers (`int`): Number of layers.
        characters (`str`, *optional*): The characters of the tokenizer beside ASCII.
    """
    qwen2_tokenizer = tokenizer(characters)
    config = Qwen2Config(
        vocab_size=len(qwen2_tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        max_position_embeddings=256,
        initializer_range=round(width**-0.5, 2),  # with Qwen2's 0.02 so narrow a model learns three times slower
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=qwen2_tokenizer.eos_token_id,
        pad_token_id=qwen2_tokenizer.pad_token_id,
    )
    set_seed(seed)
    model = Qwen2ForCausalLM(config)
    model.generation_config.eos_token_id = qwen2_tokenizer.eos_token_id
    model.generation_config.pad_token_id = qwen2_tokenizer.pad_token_id
    return model, qwen2_tokenizer
