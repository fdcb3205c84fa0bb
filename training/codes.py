"""What the embedding says of every token before training: identity, letters, topic, rarity."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd
from transformers import PreTrainedTokenizerFast

_ENDINGS = re.compile(r"(?<=[a-z]{3})(ings|ing|edly|ed|ies|es|ers|er|ly|s|y|e)$")


@dataclass(frozen=True)
class Codes:
    """One row a token; the vector codes have length one (or zero where nothing is known)."""

    identity: np.ndarray  # (V, I)
    letters: np.ndarray  # (V, L)
    topic: np.ndarray  # (V, T)
    meaning: np.ndarray  # (V, M), zeros without a teacher
    rarity: np.ndarray  # (V,), an IDF scaled to 0..1


def make_codes(
    tokenizer: PreTrainedTokenizerFast,
    passages: Sequence[Sequence[int]],
    widths: tuple[int, int, int],
    meanings: np.ndarray,
) -> Codes:
    """Codes of all tokens; ``passages`` are id lists to count in, ``widths`` = (I, L, T)."""
    size = len(tokenizer)
    texts = [str(tokenizer.decode([i])).strip() or f"#{i}" for i in range(size)]
    texts = [f"#{i}" if "\ufffd" in text else text for i, text in enumerate(texts)]
    counts = _counts(passages, size)
    return Codes(
        _unit(np.stack([_identity(text, widths[0]) for text in texts])),
        np.stack([_letters(text, widths[1]) for text in texts]),
        _topics(counts, widths[2]),
        meanings,
        _rarity(counts, texts),
    )


def _identity(text: str, width: int) -> np.ndarray:
    """Nearly the same for words of one stem, unrelated for all others."""
    return _noise("stem:" + _ENDINGS.sub("", text), width) + 0.15 * _noise("own:" + text, width)


def _letters(text: str, width: int) -> np.ndarray:
    """Hashed character trigrams: words that share letters are near each other."""
    padded = f"<{_ENDINGS.sub('', text)}>"
    grams = {padded[i : i + 3] for i in range(len(padded) - 2)} | {padded}
    return _unit(np.stack([_noise("gram:" + g, width) for g in sorted(grams)]).sum(0)[None])[0]


def _noise(name: str, width: int) -> np.ndarray:
    """A random vector of length one that depends on ``name`` alone."""
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    vector = np.random.default_rng(seed).standard_normal(width)
    return np.asarray(vector / np.linalg.norm(vector))


def _counts(passages: Sequence[Sequence[int]], size: int) -> sp.csr_matrix:
    """Which token occurs in which passage, (passages, V) of 0 and 1."""
    unique = [sorted(set(ids)) for ids in passages]
    indptr = np.cumsum([0] + [len(ids) for ids in unique])
    indices = np.concatenate([np.asarray(ids, dtype=np.int32) for ids in unique])
    data = np.ones(len(indices), dtype=np.float32)
    return sp.csr_matrix((data, indices, indptr), shape=(len(unique), size))


def _rarity(counts: sp.csr_matrix, texts: Sequence[str]) -> np.ndarray:
    """IDF scaled to 0..1; squared but for single CJK characters.

    Words rare in general are worth more than their IDF: inside one collection, where everything is
    about the same few things, the gap between rare and frequent is wider. Tuned on held-out groups.
    """
    df = np.asarray(counts.sum(axis=0)).ravel()
    idf = np.log1p((counts.shape[0] - df + 0.5) / (df + 0.5))
    idf /= np.log1p((counts.shape[0] + 0.5) / 0.5)
    word = np.asarray([text.isascii() for text in texts])
    return np.where(word, 1.4 * idf**2, idf)


def _topics(counts: sp.csr_matrix, width: int) -> np.ndarray:
    """Rows of the SVD of the positive PMI of tokens within passages."""
    together = (counts.T @ counts).tocoo()
    df = np.asarray(counts.sum(axis=0)).ravel()
    keep = together.data >= 3
    row, col, both = together.row[keep], together.col[keep], together.data[keep]
    pmi = np.log(both * counts.shape[0] / (df[row] * df[col]))
    good = (pmi > 0) & (row != col)
    ppmi = sp.csr_matrix((pmi[good], (row[good], col[good])), shape=together.shape)
    left, singular, _ = randomized_svd(ppmi, width + 1, n_iter=3, random_state=0)
    return _unit(_centred(left[:, 1:] * singular[1:] ** 0.25))


def _centred(rows: np.ndarray) -> np.ndarray:
    """Without the mean of the known rows, which would make everything near everything."""
    known = np.abs(rows).sum(axis=1) > 1e-9
    return np.asarray((rows - rows[known].mean(axis=0)) * known[:, None])


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))
