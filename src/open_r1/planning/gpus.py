"""The supported GPUs, and the rates that are assumed of them.

Peak rates come from NVIDIA's data sheets and whitepapers; memory is what the driver reports. Prices are assumptions,
roughly what it cost to rent one GPU on demand in 2026, and so are the rates in `Rates`.
"""

from dataclasses import dataclass


@dataclass
class GPU:
    """A GPU.

    Args:
        tflops (`float`):
            Dense bf16 TFLOP/s with float32 accumulation. Data sheets often list twice that, "with sparsity".
        memory (`float`): Total memory in GiB, as shown by `nvidia-smi`.
        bandwidth (`float`): Memory bandwidth in TB/s.
        price (`float`): Assumed price in dollars per hour.
    """

    tflops: float
    memory: float
    bandwidth: float
    price: float


# Operations and bandwidths, those of the SXM modules where there are several: NVIDIA's data sheets of A10G, L4, L40S,
# A100, H100, H200 and HGX B200; for the RTX cards, the whitepapers of Ampere GA102, Ada and Blackwell. An H800 is an
# H100 with slower NVLink and fewer float64 operations.
# Memory: ECC takes a sixteenth of the GDDR6 of A10G and L4 (23,028 and 23,034 of 24,576 MiB are left) and of L40S
# (46,068 of 49,152 MiB). The other cards show what their data sheet says, to within 1%.
# Prices: the lower end of what RunPod asked (https://www.runpod.io/pricing, as recorded between March and November
# 2026): $1.39 to 1.79 for an A100, $2.69 to 3.99 for an H100, $3.59 to 4.59 for an H200, $5.98 to 6.79 for a B200.
# Lambda asked $3.99 for an H100, AWS $6.88. The A10G's is that of AWS (g5.xlarge); $2 for an H800 is the paper's
# (v2, B.4.4).
GPUS = {
    "RTX3090": GPU(tflops=71, memory=24, bandwidth=0.936, price=0.25),
    "RTX4090": GPU(tflops=165.2, memory=24, bandwidth=1.008, price=0.4),
    "RTX5090": GPU(tflops=209.5, memory=32, bandwidth=1.792, price=0.7),
    "A10G": GPU(tflops=70, memory=22.5, bandwidth=0.6, price=1.0),
    "L4": GPU(tflops=121, memory=22.5, bandwidth=0.3, price=0.45),
    "L40S": GPU(tflops=362, memory=45, bandwidth=0.864, price=0.9),
    "A100-40GB": GPU(tflops=312, memory=40, bandwidth=1.555, price=1.0),
    "A100": GPU(tflops=312, memory=80, bandwidth=2.039, price=1.5),
    "H800": GPU(tflops=989, memory=80, bandwidth=3.35, price=2.0),
    "H100": GPU(tflops=989, memory=80, bandwidth=3.35, price=3.0),
    "H200": GPU(tflops=989, memory=141, bandwidth=4.8, price=4.0),
    "B200": GPU(tflops=2250, memory=180, bandwidth=8.0, price=6.0),
}


@dataclass
class Rates:
    """Assumed rates, used instead of measurements.

    Args:
        training (`float`, *optional*, defaults to 0.4): Share of a GPU's peak FLOP/s that training achieves (MFU).
        mixture (`float`, *optional*, defaults to 0.3): The same for a mixture-of-experts model.
        reading (`float`, *optional*, defaults to 0.6): Share of the peak memory bandwidth that generation achieves.
        per_layer (`float`, *optional*, defaults to 5e-5):
            Overhead per layer and token in seconds: kernel launches and communication between the GPUs of a node.
        all_to_all (`float`, *optional*, defaults to 2e-4):
            Additional overhead per layer and token in seconds if the experts are spread over several nodes.
        sync (`float`, *optional*, defaults to 20e9): Bytes per second at which a vLLM engine receives new weights.
    """

    training: float = 0.4
    mixture: float = 0.3
    reading: float = 0.6
    per_layer: float = 5e-5
    all_to_all: float = 2e-4
    sync: float = 20e9
