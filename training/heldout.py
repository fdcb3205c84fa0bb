"""Test sets made of the held-out groups of the training data: for choosing, not for boasting."""

from pathlib import Path

from qwen_rerank.evaluation.dataset import Dataset
from training import mining
from training.mining import Example
from training.validation import PARTS


def held_out_sets(path: Path, limit: int | None) -> list[Dataset]:
    """One set for each part of the validation, over all texts of its sources."""
    examples = mining.load(path)
    parts = {
        name: [e for e in examples if e.kind == kind and e.source in sources]
        for name, (kind, sources, _) in PARTS.items()
    }
    return [_as_set(name, part, limit) for name, part in parts.items() if part]


def _as_set(name: str, examples: list[Example], limit: int | None) -> Dataset:
    texts = sorted({t for e in examples for t in (e.positive, *e.negatives)})
    ids = {text: str(place) for place, text in enumerate(texts)}
    asked = [e for e in examples if e.held_out][:limit]
    queries = {str(number): e.query for number, e in enumerate(asked)}
    qrels = {str(number): {ids[e.positive]: 1} for number, e in enumerate(asked)}
    return Dataset(f"held-out {name}", {id_: text for text, id_ in ids.items()}, queries, qrels)
