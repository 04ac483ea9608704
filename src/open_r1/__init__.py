"""An open reproduction of DeepSeek-R1 on Hugging Face TRL."""

__version__ = "0.2.0"
