"""Words of like meaning, by the vectors of the embedding teacher."""

import random
import re
from collections.abc import Collection

import numpy as np
from transformers import PreTrainedTokenizerFast

from training.meanings import entry_texts

NEAR = 0.5  # least cosine
_WORD = re.compile(r"[A-Za-z]{3,}")
_ENDING = re.compile(r"(?<=[a-z]{3})(ings|ing|edly|ed|ies|es|ers|er|ly|s|y|e)$")
STOP_WORDS = frozenset(
    "the and for are was were what which who whom whose when where why how did does has have had "
    "with from that this these those into than then about after before between during its his her "
    "they their you your can could will would should may might not but also most many some such "
    "each other one two first name type kind used use made called known".split()
)


def stem(word: str) -> str:
    """The word without a common ending."""
    return _ENDING.sub("", word.lower())


def content_words(text: str) -> list[str]:
    """Lower-cased English words that are not stop words."""
    found = [word.lower() for word in _WORD.findall(text)]
    return [word for word in found if word not in STOP_WORDS]


class Synonyms:
    """Replaces words by others of near vectors; ``meanings`` are unit rows (V, width)."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, meanings: np.ndarray) -> None:
        texts = entry_texts(tokenizer)
        kept = [i for i, text in enumerate(texts) if re.fullmatch("[a-z]{3,}", text)]
        self._words = [texts[i] for i in kept]
        self._places = {word: place for place, word in enumerate(self._words)}
        self._vectors = meanings[kept]
        self._found: dict[str, list[str]] = {}

    def near(self, word: str) -> list[str]:
        """Up to three words, nearest first; none of the same stem."""
        word = word.lower()
        if word in STOP_WORDS or word not in self._places:
            return []
        if word not in self._found:
            self._found[word] = self._search(word)
        return self._found[word]

    def replace(
        self, text: str, share: float, chance: random.Random, stems: Collection[str] | None = None
    ) -> str:
        """Replace that share of the words; where ``stems`` are given, only words of those."""

        def other(match: re.Match[str]) -> str:
            word = match[0]
            chosen = (stems is None or stem(word) in stems) and chance.random() < share
            choices = self.near(word) if chosen else []
            return chance.choice(choices) if choices else word

        return _WORD.sub(other, text)

    def _search(self, word: str) -> list[str]:
        cosines = self._vectors @ self._vectors[self._places[word]]
        best = [self._words[i] for i in np.argsort(-cosines)[:12] if cosines[i] > NEAR]
        others = [w for w in best if stem(w) != stem(word) and not w.startswith(word[:5])]
        return others[:3]
