"""Training groups: a query, the text that answers it, and the texts BM25 confuses it with."""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.firststage import lexical
from training.sources import Pair, is_held_out

DEPTH = 24
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])")


@dataclass(frozen=True)
class Example:
    """``negatives`` come best first from BM25 over all texts of the source and kind."""

    query: str
    positive: str
    negatives: list[str]
    source: str
    kind: str  # "sentence" or "passage"
    held_out: bool


def sentences(text: str) -> list[str]:
    """Split at full stops; pieces too short to stand alone join the one before."""
    pieces: list[str] = []
    for piece in _SENTENCE.split(text):
        if pieces and (len(piece) < 12 or len(pieces[-1]) < 12):
            pieces[-1] += " " + piece
        elif piece:
            pieces.append(piece)
    return pieces


def mine(asked: Sequence[Pair], pool: Sequence[Pair], kind: str) -> Iterator[Example]:
    """Examples of one source: ``pool`` holds its passages, cut to sentences where asked."""
    texts = {
        t for p in pool for t in (sentences(p.document) if kind == "sentence" else [p.document])
    }
    candidates = sorted(texts | {p.document for p in asked})
    best, _ = lexical(candidates, [p.query for p in asked], DEPTH)
    answers = answers_of(asked)
    for pair, places in zip(asked, best, strict=True):
        negatives = [candidates[i] for i in places]
        negatives = [t for t in negatives if not is_same(t, answers[pair.query])]
        yield Example(pair.query, pair.document, negatives, pair.source, kind, is_held_out(pair))


def mine_all(asked: Sequence[Pair], pool: Sequence[Pair], kind: str) -> Iterator[Example]:
    """The same for all sources, one by one."""
    asked_by, pool_by = defaultdict(list), defaultdict(list)
    for pair in asked:
        asked_by[_origin(pair)].append(pair)
    for pair in pool:
        pool_by[_origin(pair)].append(pair)
    for origin, pairs in sorted(asked_by.items()):
        yield from mine(pairs, pool_by[origin], kind)


def save(examples: Sequence[Example], path: Path) -> None:
    """Write gzip JSONL: first all distinct texts, then the examples as places in that list."""
    places: dict[str, int] = {}
    rows = [
        asdict(e)
        | {"positive": places.setdefault(e.positive, len(places))}
        | {"negatives": [places.setdefault(t, len(places)) for t in e.negatives]}
        for e in examples
    ]
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=3) as out:
        for line in [list(places), *rows]:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


def load(path: Path) -> list[Example]:
    """Read what `save` wrote; equal texts are one string in memory."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = json.loads(next(lines))
        return [_named(json.loads(line), texts) for line in lines]


def _named(row: dict[str, Any], texts: Sequence[str]) -> Example:
    names = {"positive": texts[row["positive"]], "negatives": [texts[i] for i in row["negatives"]]}
    return Example(**(row | names))


def answers_of(asked: Sequence[Pair]) -> dict[str, list[str]]:
    """All known answers of a query: none of them may serve as a negative."""
    answers = defaultdict(list)
    for pair in asked:
        answers[pair.query].append(_bare(pair.document))
    return answers


def is_same(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the texts holds the other, white space apart."""
    bare = _bare(text)
    return any(bare in answer or answer in bare for answer in answers)


def _bare(text: str) -> str:
    return "".join(text.split()).lower()


def _origin(pair: Pair) -> str:
    return f"{pair.source.removesuffix('-sent')}-{pair.language}"
