"""Models and tokenizers, as a recipe names them."""
