"""Drawing batches from packed arrays, all on the device that trains."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.loss import Targets
from training.network import Batch, Rows
from training.pack import Packed

CHUNKS = 4
ANSWER_SHARE = {False: 0.35, True: 0.7}  # by whether the language is Chinese
STRANGER_SHARE = 0.12  # of the batches have a part of another text before each document
Segment = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Shape:
    """How many candidates a question has in a batch, and how long documents may be, in tokens."""

    candidates: int
    longest: int
    average: int  # tokens of a row, to guess how many questions fill a batch


SENTENCES, PASSAGES = Shape(16, 128, 60), Shape(12, 320, 200)


class Questions:
    """The packed questions and the teacher's logits, as tensors."""

    def __init__(self, packed: Packed, labels: np.ndarray, device: str) -> None:
        def on_device(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(device)

        self.names, self.passage = packed.names.tolist(), packed.passage
        self._documents, self._queries = on_device(packed.documents), on_device(packed.queries)
        self._document_starts = on_device(packed.document_starts)
        self._query_starts = on_device(packed.query_starts)
        self._query = on_device(packed.query)
        self._candidates = on_device(packed.candidates).long()
        self._teacher = on_device(labels).float()
        self._answered = on_device(packed.answered)
        shares = [ANSWER_SHARE[bool(chinese)] for chinese in packed.chinese[packed.source]]
        self._share = torch.tensor(shares, device=device)
        self._held_out = torch.from_numpy(packed.held_out)
        self._source = torch.from_numpy(packed.source)

    def of(self, source: int, *, held_out: bool) -> Tensor:
        """Places of a collection's questions, (n,), on the CPU."""
        return torch.nonzero((self._source == source) & (self._held_out == held_out))[:, 0]

    def first(self, places: Tensor, count: int) -> Tensor:
        """The first candidates of each question: columns (B, count)."""
        width = min(count, self._candidates.shape[1])
        columns: Tensor = torch.arange(width, device=self._candidates.device)
        return columns.expand(len(places), -1)

    def pick(self, places: Tensor, count: int) -> Tensor:
        """Columns (B, count): the answer first, the teacher's two best, others at random."""
        present = self._candidates[places] >= 0
        rank = torch.rand(present.shape, device=present.device).masked_fill(~present, -1.0)
        teacher = self._teacher[places].nan_to_num(-torch.inf).masked_fill(~present, -torch.inf)
        best, columns = teacher.topk(2)
        rank.scatter_add_(1, columns, 2.0 * best.isfinite())
        rank[:, 0] += 5.0 * self._answered[places]
        return rank.argsort(1, descending=True)[:, :count]

    def targets(self, places: Tensor, columns: Tensor) -> Targets:
        """What is known of these candidates."""
        return Targets(
            self._candidates[places].gather(1, columns) >= 0,
            self._teacher[places].gather(1, columns),
            self._answered[places],
            self._share[places],
        )

    def batch(
        self,
        places: Tensor,
        columns: Tensor,
        head: Rows,
        end: Tensor,
        longest: int,
        *,
        strangers: bool = False,
    ) -> tuple[Batch, Tensor]:
        """A batch, and the (question, column) of each of its rows, chunk after chunk (R, 2).

        The rows are sorted by length and cut into `CHUNKS`, so that little of them is padding.
        """
        documents = self._candidates[places].gather(1, columns)
        rows = torch.nonzero(documents >= 0)
        segments = [self._segment(documents[rows[:, 0], rows[:, 1]], longest)]
        if strangers:
            segments.insert(0, self._stranger(len(rows)))
        segments.append(_whole(end, len(rows)))
        order = torch.stack([lengths for _, _, lengths in segments]).sum(0).argsort()
        chunks = [chunk for chunk in order.tensor_split(CHUNKS) if len(chunk)]
        parts = [join([(f, s[chunk], n[chunk]) for f, s, n in segments]) for chunk in chunks]
        owners = [rows[chunk, 0] for chunk in chunks]
        return Batch(head, self._lines(places), parts, owners), rows[order]

    def _lines(self, places: Tensor) -> Rows:
        query = self._query[places]
        starts = self._query_starts[query]
        return join([(self._queries, starts, self._query_starts[query + 1] - starts)])

    def _segment(self, documents: Tensor, longest: int) -> Segment:
        starts = self._document_starts[documents]
        lengths = (self._document_starts[documents + 1] - starts).clamp_max(longest)
        return self._documents, starts, lengths

    def _stranger(self, count: int) -> Segment:
        """The beginning of any text, of any length."""
        device = self._documents.device
        drawn = torch.randint(len(self._document_starts) - 1, (count,), device=device)
        flat, starts, lengths = self._segment(drawn, PASSAGES.longest)
        return flat, starts, (lengths * torch.rand(count, device=device)).long()


def join(segments: Sequence[Segment]) -> Rows:
    """Rows of several pieces each: a piece is (ids end to end, starts (N,), lengths (N,))."""
    total = torch.stack([lengths for _, _, lengths in segments]).sum(0)
    position = torch.arange(int(total.max()), device=total.device)[None]
    ids, left = torch.zeros_like(position).expand(len(total), -1), torch.zeros_like(total)
    for flat, starts, lengths in segments:
        inside = (position >= left[:, None]) & (position < (left + lengths)[:, None])
        place = (position + (starts - left)[:, None]).clamp(0, len(flat) - 1)
        ids = torch.where(inside, flat[place].long(), ids)
        left = left + lengths
    return Rows(ids, total)


def _whole(ids: Tensor, count: int) -> Segment:
    """The same ids for every row."""
    starts = torch.zeros(count, dtype=torch.long, device=ids.device)
    return ids, starts, torch.full_like(starts, len(ids))
