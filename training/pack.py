"""All collections as arrays of token ids, so that a GPU can draw batches without waiting.

    python -m training.pack --data DATA --work WORK

Reads WORK/wired and WORK/meanings.npy of `training.prepare`. Writes WORK/packed.npz, and the texts
for the teachers to WORK/texts.json.gz.
"""

import argparse
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from training.candidates import Collection
from training.meanings import main_directions
from training.prompt import query_line
from training.recipe import Texts, collections
from training.synonyms import Synonyms
from training.tokenizer import encode, load_tokenizer

CANDIDATES = 64  # most of one question
DOCUMENT_TOKENS, QUERY_TOKENS = 480, 120
MEANING_WIDTH = 381  # for synonyms, all directions that are not common


@dataclass(frozen=True)
class Packed:
    """G questions with up to C candidates; the ids of all texts of a sort end to end."""

    documents: np.ndarray  # ids
    document_starts: np.ndarray  # (D + 1,)
    queries: np.ndarray  # ids of the query lines
    query_starts: np.ndarray  # (Q + 1,)
    query: np.ndarray  # (G,) place of the query
    candidates: np.ndarray  # (G, C) places of documents, -1 where there are fewer
    answered: np.ndarray  # (G,) whether the first candidate is the answer
    held_out: np.ndarray  # (G,)
    source: np.ndarray  # (G,) place in names
    names: np.ndarray  # of the collections
    chinese: np.ndarray  # of the collections, whether the language is Chinese
    passage: np.ndarray  # of the collections, whether the kind is "passage"


@dataclass
class Table:
    """Distinct texts by place, and one row a question."""

    documents: dict[str, int] = field(default_factory=dict)
    queries: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[int, list[int], bool, bool, int]] = field(default_factory=list)
    sources: list[tuple[str, bool, bool]] = field(default_factory=list)

    def add(self, collection: Collection) -> None:
        """Append its questions."""
        is_passage = collection.kind == "passage"
        self.sources.append((collection.name, collection.language == "zh", is_passage))
        for question in collection.questions:
            texts = [collection.documents[i] for i in question.candidates[:CANDIDATES]]
            places = [self.documents.setdefault(text, len(self.documents)) for text in texts]
            query = self.queries.setdefault(question.query, len(self.queries))
            source = len(self.sources) - 1
            self.rows.append((query, places, question.answered, question.held_out, source))


def main() -> None:
    """Read the arguments, build the collections, pack them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/*.jsonl.gz")
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    tokenizer = load_tokenizer(options.work / "wired")
    vectors = main_directions(np.load(options.work / "meanings.npy"), MEANING_WIDTH)
    texts = Texts(options.data / "train")
    pack(collections(texts, Synonyms(tokenizer, vectors)), tokenizer, options.work)


def pack(found: Iterable[Collection], tokenizer: PreTrainedTokenizerFast, work: Path) -> None:
    """Write ``work``/packed.npz and ``work``/texts.json.gz."""
    table = Table()
    for collection in found:
        table.add(collection)
        print(collection.name, len(collection.documents), len(collection.questions), flush=True)
    with gzip.open(work / "texts.json.gz", "wt", encoding="utf-8", compresslevel=3) as out:
        json.dump([list(table.queries), list(table.documents)], out, ensure_ascii=False)
    np.savez(work / "packed.npz", allow_pickle=False, **asdict(_arrays(table, tokenizer)))


def load_packed(work: Path) -> Packed:
    """Read the arrays."""
    with np.load(work / "packed.npz") as arrays:
        return Packed(**arrays)


def load_texts(work: Path) -> tuple[list[str], list[str]]:
    """Read the queries and the documents."""
    with gzip.open(work / "texts.json.gz", "rt", encoding="utf-8") as file:
        queries, documents = json.load(file)
    return queries, documents


def _arrays(table: Table, tokenizer: PreTrainedTokenizerFast) -> Packed:
    query, places, answered, held_out, source = zip(*table.rows, strict=True)
    names, chinese, passage = zip(*table.sources, strict=True)
    candidates = np.full((len(places), CANDIDATES), -1, np.int32)
    for row, found in zip(candidates, places, strict=True):
        row[: len(found)] = found
    bodies = [r[:DOCUMENT_TOKENS] for r in encode(tokenizer, [f" {d}" for d in table.documents])]
    lines = [_cut(row) for row in encode(tokenizer, [query_line(q) for q in table.queries])]
    return Packed(
        *_flat(bodies),
        *_flat(lines),
        np.asarray(query),
        candidates,
        np.asarray(answered),
        np.asarray(held_out),
        np.asarray(source),
        np.asarray(names),
        np.asarray(chinese),
        np.asarray(passage),
    )


def _cut(line: list[int]) -> list[int]:
    """At most `QUERY_TOKENS`; the last one, the mark of the document, stays."""
    return line if len(line) <= QUERY_TOKENS else line[: QUERY_TOKENS - 1] + line[-1:]


def _flat(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0] + [len(row) for row in rows])
    return np.concatenate([np.asarray(row, np.int32) for row in rows]), starts


if __name__ == "__main__":
    main()
