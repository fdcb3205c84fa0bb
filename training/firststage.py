"""The two first stages whose top documents are reordered: a dense FAISS index, and BM25."""

from collections.abc import Sequence

import faiss
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from training.bm25 import BM25, lexical_units


def dense(documents: Sequence[str], queries: Sequence[str], k: int) -> np.ndarray:
    """Places (queries, k) by TF-IDF of character n-grams, SVD to 256, inner product in FAISS."""
    grams = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), max_features=60000, sublinear_tf=True
    )
    sparse = grams.fit_transform(documents)
    width = min(256, min(sparse.shape) - 1)
    squeeze = TruncatedSVD(width, n_iter=2, random_state=0).fit(sparse)
    vectors = normalize(squeeze.transform(sparse)).astype(np.float32)
    index = faiss.IndexFlatIP(width)
    index.add(vectors)
    asked = normalize(squeeze.transform(grams.transform(queries))).astype(np.float32)
    return np.asarray(index.search(asked, k)[1])


def lexical(documents: Sequence[str], queries: Sequence[str], k: int) -> tuple[np.ndarray, BM25]:
    """Places (queries, k) by BM25 (k1 1.2, b 0.75), and the index itself."""
    index = BM25([lexical_units(text) for text in documents])
    return index.top([lexical_units(text) for text in queries], k)[0], index
