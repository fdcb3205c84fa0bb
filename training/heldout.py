"""Test sets made of the held-out groups of the training data: for choosing, not for boasting."""

from pathlib import Path

from training import mining
from training.beir import TestSet
from training.mining import Example
from training.validation import PARTS


def held_out_sets(path: Path, limit: int | None) -> list[TestSet]:
    """One set for each part of the validation, over all texts of its sources."""
    examples = mining.load(path)
    parts = {
        name: [e for e in examples if e.kind == kind and e.source in sources]
        for name, (kind, sources, _) in PARTS.items()
    }
    return [_as_set(name, part, limit) for name, part in parts.items() if part]


def _as_set(name: str, examples: list[Example], limit: int | None) -> TestSet:
    documents = sorted({t for e in examples for t in (e.positive, *e.negatives)})
    place = {text: i for i, text in enumerate(documents)}
    asked = [e for e in examples if e.held_out][:limit]
    grades = [{place[e.positive]: 1} for e in asked]
    return TestSet(f"held-out {name}", documents, [e.query for e in asked], grades)
