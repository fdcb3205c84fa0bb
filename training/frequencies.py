"""The most frequent English words: in the training texts and, by wordfreq, in general."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from training.teachers import import_from

GENERAL = 0.7  # weight of the general frequency, so that other topics find their words, too
_WORD = re.compile(r"[^\W\d_\u2e80-\uffff]+")


def frequent_words(texts: Iterable[str], teachers: Path, count: int) -> list[str]:
    """``count`` lower-cased words, the most frequent first, by the weighted mean of both shares."""
    seen = Counter(word for text in texts for word in _WORD.findall(text.lower()))
    total = sum(seen.values())
    own = {word: times / total for word, times in seen.items() if times > 1}
    general = import_from(teachers, "wordfreq").get_frequency_dict("en", wordlist="best")
    mean = _mean(own, general)
    return sorted(mean, key=lambda word: (-mean[word], word))[:count]


def _mean(own: Mapping[str, float], general: Mapping[str, float]) -> dict[str, float]:
    return {
        word: (1 - GENERAL) * own.get(word, 0.0) + GENERAL * general.get(word, 0.0)
        for word in own.keys() | general.keys()
        if _WORD.fullmatch(word)
    }
