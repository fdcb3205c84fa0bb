"""BM25 over any units, as one sparse matrix product: the yardstick and the miner of negatives."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import scipy.sparse as sp

_UNITS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|[^\W\u3040-\u30ff\u3400-\u9fff]+")


def lexical_units(text: str) -> list[str]:
    """Lower-cased words; for CJK runs the single characters and the character pairs."""
    units: list[str] = []
    for run in _UNITS.findall(text.lower()):
        if "\u3040" <= run[0] <= "\u9fff" or "\uf900" <= run[0] <= "\ufaff":
            units += list(run) + [run[i : i + 2] for i in range(len(run) - 1)]
        else:
            units.append(run)
    return units


class BM25:
    """Okapi BM25 (Lucene's IDF, never negative) over documents given as lists of units."""

    def __init__(
        self, documents: Sequence[Sequence[Hashable]], k1: float = 1.2, b: float = 0.75
    ) -> None:
        self._vocabulary: dict[Hashable, int] = {}
        counts = self._counts(documents, grow=True)
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        norm = k1 * (1 - b + b * lengths / max(lengths.mean(), 1e-9))
        df = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log1p((len(documents) - df + 0.5) / (df + 0.5))
        rows = np.repeat(np.arange(len(documents)), np.diff(counts.indptr))
        tf = counts.data
        counts.data = idf[counts.indices] * tf * (k1 + 1) / (tf + norm[rows])
        self._weights = counts.T.tocsr()

    def scores(self, queries: Sequence[Sequence[Hashable]]) -> np.ndarray:
        """Scores of shape (queries, documents), float32."""
        product = self._counts(queries, grow=False) @ self._weights
        return np.asarray(product.todense(), dtype=np.float32)

    def top(self, queries: Sequence[Sequence[Hashable]], k: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` best documents of each query and their scores, best first, ties by index."""
        places, values = [], []
        for start in range(0, len(queries), 256):
            scores = self.scores(queries[start : start + 256])
            order = _best(scores, k)
            places.append(order)
            values.append(np.take_along_axis(scores, order, 1))
        return np.concatenate(places), np.concatenate(values)

    def _counts(self, texts: Iterable[Sequence[Hashable]], grow: bool) -> sp.csr_matrix:
        """Unit counts, (texts, vocabulary); unknown units are dropped unless ``grow``."""
        known, indptr, indices, data = self._vocabulary, [0], [], []
        for units in texts:
            for unit, count in Counter(units).items():
                place = known.setdefault(unit, len(known)) if grow else known.get(unit)
                if place is not None:
                    indices.append(place)
                    data.append(float(count))
            indptr.append(len(indices))
        return sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, len(known)))


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Indices of the ``k`` largest of each row, best first; equal scores keep their order."""
    k = min(k, scores.shape[1])
    rough = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(scores, rough, 1), axis=1, kind="stable")
    return np.take_along_axis(rough, order, 1)
