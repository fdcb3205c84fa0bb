"""The true Qwen3 vocabulary and small random Qwen3 models, made without a hub."""
