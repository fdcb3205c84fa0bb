"""A deterministic embedding that needs no model: hashed words, for FAISS in tests."""

from __future__ import annotations

import zlib

import numpy as np

WIDTH = 64


def embed(text: str) -> list[float]:
    """A unit vector of `WIDTH` numbers; texts that share words lie near each other."""
    vector = np.zeros(WIDTH)
    for word in text.lower().split():
        vector[zlib.crc32(word.encode()) % WIDTH] += 1
    norm = float(np.linalg.norm(vector)) or 1.0
    numbers: list[float] = (vector / norm).tolist()
    return numbers
