"""The GPUs that a plan can be made for, from the makers' data sheets, and the rates that are assumed of them."""

from dataclasses import dataclass


@dataclass
class GPU:
    """A GPU.

    Args:
        tflops (`float`): Dense bf16 operations with float32 accumulation, in 10¹² a second. Data sheets often show
            twice that, "with sparsity".
        memory (`float`): GiB.
        bandwidth (`float`): Memory bandwidth in TB a second.
        price (`float`): Dollars an hour, about what it costs to rent one.
    """

    tflops: float
    memory: float
    bandwidth: float
    price: float


# Sources: NVIDIA's data sheets of the cards; for the RTX cards the whitepapers of Ampere GA102, Ada and Blackwell
# (bf16 with float32 accumulation). Prices change; $2 for an H800 is the paper's (v2, B.4.4).
GPUS = {
    "RTX3090": GPU(71, 24, 0.936, 0.3),
    "RTX4090": GPU(165.2, 24, 1.008, 0.5),
    "RTX5090": GPU(209.5, 32, 1.792, 0.8),
    "A10G": GPU(70, 24, 0.6, 1.0),
    "L4": GPU(121, 24, 0.3, 0.7),
    "L40S": GPU(362, 48, 0.864, 1.5),
    "A100-40GB": GPU(312, 40, 1.555, 1.2),
    "A100": GPU(312, 80, 2.0, 1.5),
    "H800": GPU(989, 80, 3.35, 2.0),
    "H100": GPU(989, 80, 3.35, 2.5),
    "H200": GPU(989, 141, 4.8, 3.0),
    "B200": GPU(2250, 180, 8.0, 5.0),
}


@dataclass
class Rates:
    """What is assumed where nothing was measured.

    Args:
        training (`float`, *optional*, defaults to 0.4): Share of a GPU's operations that training uses.
        mixture (`float`, *optional*, defaults to 0.3): The same for a mixture of experts.
        reading (`float`, *optional*, defaults to 0.6): Share of the bandwidth that generation uses.
        per_layer (`float`, *optional*, defaults to 5e-5): Seconds per layer and token beyond reading the weights:
            kernel launches, and the exchange between the GPUs of a node.
        all_to_all (`float`, *optional*, defaults to 2e-4): Further seconds per layer and token if experts are spread
            over nodes.
        sync (`float`, *optional*, defaults to 20e9): Bytes a second at which new weights reach a vLLM engine.
    """

    training: float = 0.4
    mixture: float = 0.3
    reading: float = 0.6
    per_layer: float = 5e-5
    all_to_all: float = 2e-4
    sync: float = 20e9
