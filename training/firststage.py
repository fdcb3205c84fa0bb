"""The two first stages whose top documents are reordered: a dense FAISS index, and BM25."""

from collections.abc import Sequence

import faiss
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from qwen_rerank.lexical.bm25 import Bm25Index

K1 = 1.2


def dense(documents: Sequence[str], queries: Sequence[str], k: int) -> np.ndarray:
    """Places (queries, min(k, documents)) by inner product in FAISS.

    The vectors are TF-IDF of character n-grams, squeezed to 256 dimensions by SVD.
    """
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
    return np.asarray(index.search(asked, min(k, len(documents)))[1])


def lexical(
    documents: Sequence[str], queries: Sequence[str], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places and scores (queries, min(k, documents)) by BM25."""
    return Bm25Index(documents, k1=K1).search_many(queries, k)
