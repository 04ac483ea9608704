"""What this machine's processor can do."""

BF16_CAPABILITIES = ("avx512_bf16", "amx_bf16", "bf16")  # of x86 and, the last one, ARM


def cpu_computes_in_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 matrices in hardware. Others emulate it, which is slower than float32."""
    import torch

    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BF16_CAPABILITIES)
