"""The recipe of the built-in model: tokenizer, wiring, data, training, evaluation, export."""
