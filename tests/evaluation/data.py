"""Small data that the tests write themselves."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qwen_rerank.testing import word_overlap

WORDS = (
    "river bridge harbour lantern copper violin garden winter engine letter "
    "mountain paper silver candle forest window 合同 退款 发票 物流"
).split()


@dataclass
class OverlapScorer:
    """Scores by shared words; may be interrupted after some queries, as by Ctrl-C."""

    queries_left: int = field(default=10**9, repr=False)
    queries: list[str] = field(default_factory=list, repr=False)

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[float]:
        if self.queries_left == 0:
            raise KeyboardInterrupt
        self.queries_left -= 1
        self.queries.append(query)
        return [word_overlap(query, document) for document in documents]


def write_lines(file: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    file.write_text(text, encoding="utf-8")
    return file


def write_folder(folder: Path, queries: int = 12, documents: int = 60) -> Path:
    """A BEIR-style folder of random words: queries have one to three graded documents."""
    draw = random.Random(7)
    folder.mkdir(parents=True, exist_ok=True)
    texts = [" ".join(draw.choices(WORDS, k=9)) for _ in range(documents)]
    corpus = [{"_id": f"d{i}", "title": f"t{i}", "text": text} for i, text in enumerate(texts)]
    lines, judged = [], []
    for number in range(queries):
        relevant = draw.sample(range(documents), draw.randint(1, 3))
        text = " ".join(draw.choices(texts[relevant[0]].split() + WORDS[:4], k=4))
        lines.append({"_id": f"q{number}", "text": text})
        judged += [f"q{number}\td{place}\t{draw.randint(1, 3)}" for place in relevant]
        judged.append(f"q{number}\td{(relevant[0] + 1) % documents}\t0")
    write_lines(folder / "corpus.jsonl", corpus)
    write_lines(folder / "queries.jsonl", [*lines, {"_id": "unjudged", "text": "paper"}])
    (folder / "qrels.tsv").write_text("\n".join(judged) + "\n", encoding="utf-8")
    return folder


def read_qrels(folder: Path) -> dict[str, dict[str, int]]:
    """The judgements, read without the code under test."""
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").split("\n"):
        if line:
            query, document, grade = line.split("\t")
            qrels.setdefault(query, {})[document] = int(grade)
    return qrels
