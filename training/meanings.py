"""What the embedding teacher says each entry of the vocabulary means."""

import numpy as np
from transformers import PreTrainedTokenizerFast

from training.teachers import Embed

COMMON = 3  # main directions that all entries share and that tell nothing apart
PART = 1000


def entry_texts(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Every entry as text, white space stripped."""
    return [str(tokenizer.decode([i])).strip() for i in range(len(tokenizer))]


def embed_entries(tokenizer: PreTrainedTokenizerFast, embed: Embed) -> np.ndarray:
    """The teacher's vector of every entry, each embedded alone: (V, 384), fp32."""
    texts = [text or "?" for text in entry_texts(tokenizer)]
    parts = [embed(texts[start : start + PART]) for start in range(0, len(texts), PART)]
    return np.concatenate(parts).astype(np.float32)


def main_directions(vectors: np.ndarray, width: int) -> np.ndarray:
    """Unit rows (V, width): mean and `COMMON` main directions removed, the next ``width`` kept."""
    centred = _unit(vectors.astype(np.float32) - vectors.mean(0, dtype=np.float32))
    centred -= centred.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return _unit(centred @ directions[COMMON : COMMON + width].T)


def _unit(rows: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return scaled
