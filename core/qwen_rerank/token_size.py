"""How many bytes of UTF-8 a token of Qwen3 holds, for estimates without a tokenizer."""

BYTES_PER_TOKEN = 4
"""In most texts: about four Latin letters, or one Chinese character and a third."""
DENSE_BYTES_PER_TOKEN = 3
"""In texts with many tokens, for estimates that must not be too low."""
