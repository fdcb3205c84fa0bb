"""The training texts: question/passage pairs and bare passages, held-out groups set apart."""

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

HELD_OUT_PERCENT = 4


@dataclass(frozen=True)
class Pair:
    """A query, a text that answers it, the article or document (``group``) the text is from."""

    query: str
    document: str
    group: str
    language: str
    source: str


def read_pairs(path: Path) -> list[Pair]:
    """Read a gzip JSONL file of {q, d, g, lang, src}; ``q`` is empty for bare passages."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Pair(r.get("q", ""), r["d"], r["g"], r["lang"], r["src"]) for r in rows]


def is_held_out(pair: Pair) -> bool:
    """A fixed share of the groups, the traditional and simplified twin of a group together."""
    return zlib.crc32(pair.group.rstrip("s").encode()) % 100 < HELD_OUT_PERCENT
