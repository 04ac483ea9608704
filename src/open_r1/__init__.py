"""DeepSeek-R1 reproduced in the open, on TRL."""

__version__ = "0.2.0"
