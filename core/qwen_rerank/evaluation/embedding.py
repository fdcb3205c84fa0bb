"""Embeddings for the dense first stage: one that needs no download, and any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qwen_rerank.extras import require_package

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDTH = 256
"""The most numbers in an LSA vector."""
MANY = 500
"""From this many texts on, n-grams that occur in one text only are left out."""


Embedder = Callable[[Sequence[str]], "NDArray[np.float32]"]
"""Turns texts into unit vectors, in their order, of shape (texts, width)."""


class LsaEmbedder:
    """Latent semantic analysis: TF-IDF of character n-grams, cut to 256 numbers by SVD.

    A dense embedding for Chinese and English that needs no download and is fitted in seconds.

    Args:
        corpus: The texts to fit.
    """

    def __init__(self, corpus: Sequence[str]) -> None:
        require_package("scikit-learn", "eval", "sklearn")
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        rare = 2 if len(corpus) > MANY else 1  # n-grams that occur once cost most of the time
        self._tfidf: Any = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True, min_df=rare
        )
        table = self._tfidf.fit_transform(corpus)
        size = min(WIDTH, min(table.shape) - 1)
        self._svd: Any = TruncatedSVD(size, random_state=0).fit(table)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts; a text without any n-gram of the corpus becomes zeros."""
        import numpy as np

        vectors = self._svd.transform(self._tfidf.transform(texts)).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9))


def sentence_transformer(name: str) -> Embedder:
    """Any sentence-transformers model, by name or folder."""
    require_package("sentence-transformers", "eval", "sentence_transformers")
    import numpy as np
    from sentence_transformers import SentenceTransformer

    model: Any = SentenceTransformer(name)
    return lambda texts: np.asarray(model.encode(list(texts), normalize_embeddings=True))
