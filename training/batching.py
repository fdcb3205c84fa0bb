"""From texts to padded tensors: B queries with their documents become one `Batch`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from training.network import Batch, Rows
from training.prompt import INSTRUCTION, SUFFIX, head, query_line
from training.tokenizer import encode

CHUNKS = 4


@dataclass(frozen=True)
class Group:
    """Token ids: one query line, its documents (with the end of the prompt)."""

    query: list[int]
    documents: list[list[int]]


class Batcher:
    """Turns groups into batches; the documents are sorted by length into a few chunks."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, instruction: str = INSTRUCTION, limit: int = 512
    ) -> None:
        self._tokenizer = tokenizer
        self._limit = limit
        self._head = _pad(encode(tokenizer, [head(instruction)]))
        self._end = encode(tokenizer, [SUFFIX])[0]

    def group(self, query: str, documents: Sequence[str], limit: int | None = None) -> Group:
        """Encode; documents are cut to ``limit`` tokens, the end of the prompt stays."""
        limit = limit or self._limit
        bodies = encode(self._tokenizer, [" " + d for d in documents])
        ids = encode(self._tokenizer, [query_line(query)])[0]
        return Group(ids, [body[:limit] + self._end for body in bodies])

    def batch(self, groups: Sequence[Group], device: str = "cpu") -> tuple[Batch, list[np.ndarray]]:
        """A batch, and for every chunk the (group, document) places of its rows, (R_c, 2)."""
        places = [(g, d) for g, group in enumerate(groups) for d in range(len(group.documents))]
        places.sort(key=lambda p: len(groups[p[0]].documents[p[1]]))
        chunks = [c for c in np.array_split(np.asarray(places), CHUNKS) if len(c)]
        documents = [_pad([groups[g].documents[d] for g, d in chunk]) for chunk in chunks]
        owners = [torch.from_numpy(chunk[:, 0].copy()) for chunk in chunks]
        batch = Batch(self._head, _pad([g.query for g in groups]), documents, owners)
        return _to(batch, device), chunks


def gather(
    scores: Sequence[torch.Tensor], chunks: Sequence[np.ndarray], shape: tuple[int, int]
) -> torch.Tensor:
    """Scores by chunk -> (groups, documents); places without a document hold -inf."""
    table = torch.full(shape, -torch.inf, device=scores[0].device)
    place = torch.from_numpy(np.concatenate(chunks)).to(table.device)
    return table.index_put((place[:, 0], place[:, 1]), torch.cat(list(scores)))


def _pad(rows: Sequence[Sequence[int]]) -> Rows:
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return Rows(ids, lengths)


def _to(batch: Batch, device: str) -> Batch:
    def move(rows: Rows) -> Rows:
        return Rows(rows.ids.to(device), rows.lengths.to(device))

    return Batch(
        move(batch.head),
        move(batch.queries),
        [move(rows) for rows in batch.documents],
        [owner.to(device) for owner in batch.owners],
    )
