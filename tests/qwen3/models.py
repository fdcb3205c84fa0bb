"""Small Qwen3 checkpoints with random weights, saved the way hubs hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
)

TINY: dict[str, Any] = {
    "vocab_size": 151669,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 4096,
    "initializer_range": 0.2,  # large enough that scores differ
}


def save_causal(folder: Path, tokenizer: Tokenizer, *, tied: bool = True, **config: Any) -> Path:
    """A reranker as published; 0.6B and 4B tie their embeddings, 8B does not."""
    torch.manual_seed(7)
    model = Qwen3ForCausalLM(Qwen3Config(**{**TINY, "tie_word_embeddings": tied, **config}))
    return _save(model, folder, tokenizer)


def save_qwen2(folder: Path, tokenizer: Tokenizer) -> Path:
    """A reranker of the Qwen2 architecture, whose projections have biases."""
    torch.manual_seed(7)
    model = Qwen2ForCausalLM(Qwen2Config(**{**TINY, "tie_word_embeddings": True}))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # which start as zeros
            torch.nn.init.normal_(parameter, std=0.2)
    return _save(model, folder, tokenizer)


def save_qwen3_5(folder: Path, tokenizer: Tokenizer) -> Path:
    """A reranker of the Qwen3.5 architecture: three layers of linear attention, one of full."""
    import transformers as hf

    torch.manual_seed(7)
    own = {
        "num_hidden_layers": 4,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "tie_word_embeddings": True,
    }
    model = hf.Qwen3_5ForCausalLM(hf.Qwen3_5TextConfig(**{**TINY, **own}))
    return _save(model, folder, tokenizer)


def convert_to_classifier(source: Path, folder: Path, tokenizer: Tokenizer, labels: int) -> Path:
    """A reranker converted to sequence classification, as people publish them.

    With one label its row is yes minus no; with two, they are no and yes.
    """
    causal = Qwen3ForCausalLM.from_pretrained(source, dtype=torch.float32)
    shape = {**causal.config.to_dict(), "num_labels": labels, "pad_token_id": 151643}
    for name in ("architectures", "id2label", "label2id"):  # old versions write two labels down
        shape.pop(name, None)
    model = Qwen3ForSequenceClassification(Qwen3Config(**shape))
    model.model.load_state_dict(causal.model.state_dict())
    rows = causal.get_output_embeddings().weight
    yes, no = (rows[tokenizer.token_to_id(word)] for word in ("yes", "no"))
    model.score.weight.data = torch.stack([yes - no] if labels == 1 else [no, yes])
    return _save(model, folder, tokenizer)


def _save(model: Any, folder: Path, tokenizer: Tokenizer) -> Path:
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
