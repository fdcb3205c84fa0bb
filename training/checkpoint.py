"""Reading and writing a network folder, as transformers writes it."""

from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from training.network import Reranker
from training.tokenizer import encode, load_tokenizer


def load_reranker(folder: Path) -> tuple[Reranker, PreTrainedTokenizerFast]:
    """A network folder (wired, checkpoint or shipped) in fp32, with its tokenizer."""
    tokenizer = load_tokenizer(folder)
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32)
    yes, no = (encode(tokenizer, [word])[0][0] for word in ("yes", "no"))
    return Reranker(model, yes, no), tokenizer


def save(folder: Path, network: Reranker, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write weights, configuration and tokenizer."""
    network.model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
