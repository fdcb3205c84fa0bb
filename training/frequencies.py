"""The most frequent English words: in the training texts and, by wordfreq, in general.

The data file of wordfreq is read as it is, with `msgpack`: the package itself would ask for more.
"""

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

DATA = "wordfreq/data/large_en.msgpack.gz"
GENERAL = 0.7  # weight of the general frequency, so that other topics find their words, too
_WORD = re.compile(r"[^\W\d_\u2e80-\uffff]+")


def frequent_words(texts: Iterable[str], teachers: Path, count: int) -> list[str]:
    """``count`` lower-cased words, the most frequent first, by the weighted mean of both shares."""
    seen = Counter(word for text in texts for word in _WORD.findall(text.lower()))
    total = sum(seen.values())
    own = {word: times / total for word, times in seen.items() if times > 1}
    mean = _mean(own, _general(teachers / DATA))
    return sorted(mean, key=lambda word: (-mean[word], word))[:count]


def _general(path: Path) -> dict[str, float]:
    """The file is a header, then lists of words: those of list i have a share of 10^(-i / 100)."""
    import msgpack  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with gzip.open(path) as file:
        _, *lists = msgpack.load(file, raw=False)
    return {word: 10 ** (-place / 100) for place, words in enumerate(lists) for word in words}


def _mean(own: Mapping[str, float], general: Mapping[str, float]) -> dict[str, float]:
    return {
        word: (1 - GENERAL) * own.get(word, 0.0) + GENERAL * general.get(word, 0.0)
        for word in own.keys() | general.keys()
        if _WORD.fullmatch(word)
    }
