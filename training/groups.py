"""Drawing training groups from mined examples: which sources, which negatives."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from training.batching import Batcher, Group
from training.mining import Example

# How often a source is drawn; questions on encyclopaedia texts most, headings and clozes less.
WEIGHTS = {
    "nqg-sent": 6.0,
    "drcd-dev-s-sent": 4.5,
    "drcd-dev-sent": 1.5,
    "cmrc-trial-sent": 2.0,
    "nqg": 2.5,
    "drcd-dev-s": 1.5,
    "cmrc-trial": 1.0,
    "qed": 1.0,
    "medquad": 1.0,
    "docs-cn": 1.0,
}


@dataclass(frozen=True)
class Plan:
    """The shape of one draw: how many groups, how many documents each, how many tokens a text."""

    kind: str
    groups: int
    documents: int
    limit: int


class Sampler:
    """Draws batches of groups; the answer is document 0 of each."""

    def __init__(self, examples: Sequence[Example], batcher: Batcher) -> None:
        self._batcher = batcher
        self._by_kind: dict[str, dict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
        for example in examples:
            if len(example.negatives) >= 4:
                self._by_kind[example.kind][example.source].append(example)

    def draw(self, plan: Plan, chance: random.Random) -> list[Group]:
        """Groups of one kind, the sources by their weights."""
        sources = self._by_kind[plan.kind]
        names = sorted(sources)
        weights = [WEIGHTS.get(name, 0.5) for name in names]
        picked = chance.choices(names, weights, k=plan.groups)
        return [self._group(chance.choice(sources[name]), plan, chance) for name in picked]

    def _group(self, example: Example, plan: Plan, chance: random.Random) -> Group:
        """Most negatives are BM25's, the best ones likelier; one is any text of the source."""
        stranger = chance.choice(self._by_kind[example.kind][example.source]).positive
        hard = _front_loaded(example.negatives, plan.documents - 2, chance)
        others = [t for t in (*hard, stranger) if t != example.positive]
        return self._batcher.group(example.query, [example.positive, *others], plan.limit)


def _front_loaded(ranked: Sequence[str], count: int, chance: random.Random) -> list[str]:
    """``count`` of the texts without repetition, earlier ones with more weight."""
    keyed = [(chance.random() ** (1 + place / 8), text) for place, text in enumerate(ranked)]
    return [text for _, text in sorted(keyed, reverse=True)[:count]]
