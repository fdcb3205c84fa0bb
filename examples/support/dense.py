"""Dense vectors into FAISS: the coarse stage of the examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors, shape (texts, width)."""

    def __call__(self, texts: Sequence[str]) -> Vectors: ...


class LsaEmbedder:
    """Latent semantic analysis: TF-IDF of character n-grams, cut to 256 numbers by SVD.

    A real dense embedding, in Chinese and English, that is fitted in seconds and needs no
    download.
    """

    def __init__(self, corpus: Sequence[str], width: int = 256) -> None:
        self._tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True)
        table = self._tfidf.fit_transform(corpus)
        rank = max(1, min(width, min(table.shape) - 1))
        self._svd = TruncatedSVD(rank, random_state=0).fit(table)

    def __call__(self, texts: Sequence[str]) -> Vectors:
        vectors: Vectors = self._svd.transform(self._tfidf.transform(texts)).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9))


def sentence_transformer(name: str) -> Embedder:
    """Any sentence-transformers model, by name or folder."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(name)
    return lambda texts: np.asarray(model.encode(list(texts), normalize_embeddings=True))


class DenseIndex:
    """Texts in a FAISS index, found by cosine similarity."""

    def __init__(self, texts: Sequence[str], embed: Embedder) -> None:
        self.texts = list(texts)
        self._embed = embed
        vectors = embed(self.texts)
        self._index: Any = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, query: str, k: int) -> list[int]:
        """Places of the `k` nearest texts, nearest first."""
        _, places = self._index.search(self._embed([query]), min(k, len(self.texts)))
        return [int(place) for place in places[0]]
