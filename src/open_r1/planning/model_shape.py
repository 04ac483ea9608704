"""The size of a model: the numbers that its memory and time depend on."""

from dataclasses import dataclass

from transformers import PreTrainedConfig

from open_r1.models.loading import meta_model


@dataclass
class ModelShape:
    """The size of a model.

    Args:
        parameters (`int`): Number of parameters.
        active (`int`): Number of active parameters per token.
        layers (`int`): Number of layers.
        width (`int`): Hidden size.
        inner (`int`): Intermediate size of the feed-forward layers that a token uses.
        keys (`int`): Number of elements per token in a layer's KV cache.
        vocabulary (`int`): Size of the vocabulary.
        experts (`int`, *optional*, defaults to 0): Number of routed experts per layer; 0 for a dense model.
        chosen (`int`, *optional*, defaults to 0): Number of routed experts that are active per token.
    """

    parameters: int
    active: int
    layers: int
    width: int
    inner: int
    keys: int
    vocabulary: int
    experts: int = 0
    chosen: int = 0

    @classmethod
    def from_config(cls, config: PreTrainedConfig, trust_remote_code: bool = False) -> "ModelShape":
        """Reads the sizes from a configuration and counts the parameters of a model on the meta device."""
        model = meta_model(config, trust_remote_code)
        text_config = config.get_text_config()
        parameters = model.num_parameters()
        experts, chosen = _count_experts(text_config)
        active = parameters
        if experts:
            in_experts = sum(weight.numel() for name, weight in model.named_parameters() if ".experts." in name)
            active = parameters - in_experts + in_experts * chosen // experts
        return cls(
            parameters=parameters,
            active=active,
            layers=text_config.num_hidden_layers,
            width=text_config.hidden_size,
            inner=_inner_size(text_config, experts, chosen),
            keys=_keys_per_token(text_config),
            vocabulary=text_config.vocab_size,
            experts=experts,
            chosen=chosen,
        )

    @property
    def routed(self) -> float:
        """Number of parameters in routed experts; 0 for a dense model."""
        if not self.experts:
            return 0.0
        return (self.parameters - self.active) / (1 - self.chosen / self.experts)


def _count_experts(text_config: PreTrainedConfig) -> tuple[int, int]:
    """Number of routed experts per layer, and how many of them are active per token."""
    for name in ("n_routed_experts", "num_experts"):  # DeepSeek's name, and Qwen's
        experts = getattr(text_config, name, None)
        if experts:
            return experts, text_config.num_experts_per_tok
    return 0, 0


def _inner_size(text_config: PreTrainedConfig, experts: int, chosen: int) -> int:
    if experts:
        return text_config.moe_intermediate_size * (chosen + 1)  # including the shared expert
    return getattr(text_config, "intermediate_size", None) or 4 * text_config.hidden_size  # GPT-2 lacks the key


def _keys_per_token(text_config: PreTrainedConfig) -> int:
    """Number of elements per token in a layer's KV cache."""
    rank = getattr(text_config, "kv_lora_rank", None)
    if rank:  # multi-head latent attention caches a single small vector
        return rank + text_config.qk_rope_head_dim
    heads = text_config.num_attention_heads
    head_size = getattr(text_config, "head_dim", None) or text_config.hidden_size // heads
    key_heads = getattr(text_config, "num_key_value_heads", None) or heads
    return 2 * head_size * key_heads
