"""Runs the backbone over encoded prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from qwen_rerank.local.checkpoint import Checkpoint
from qwen_rerank.local.encoder import EncodedQuery

TOKENS_PER_PASS = 4096


class Engine:
    """Log-odds of "yes" for prompts: backbone only, one fp32 row at the last token."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._backbone = checkpoint.backbone
        self._answer = checkpoint.answer

    def log_odds(self, queries: Sequence[EncodedQuery]) -> list[list[float]]:
        """The log-odds of each query's documents, in the order they came.

        Source of the score: the difference of the "yes" and "no" logits at the last
        position, as in the Qwen3-Reranker model card.
        """
        prompts = [query.head + tail for query in queries for tail in query.tails]
        odds = dict(self._passes(prompts))
        flat = iter(range(len(prompts)))
        return [[odds[next(flat)] for _ in query.tails] for query in queries]

    def _passes(self, prompts: list[list[int]]) -> Iterator[tuple[int, float]]:
        for batch in _batches(prompts):
            values = self._forward([prompts[place] for place in batch]).tolist()
            yield from zip(batch, values, strict=True)

    @torch.inference_mode()
    def _forward(self, prompts: list[list[int]]) -> Tensor:
        """Shape (prompts,): padding stands behind the last token, where nothing looks."""
        device = self._answer.device
        ids = [torch.tensor(prompt) for prompt in prompts]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True).to(device)
        hidden = self._backbone(input_ids=padded, use_cache=False).last_hidden_state
        last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=device)
        ends: Tensor = hidden[torch.arange(len(prompts), device=device), last]
        return ends.float() @ self._answer


def _batches(prompts: list[list[int]]) -> Iterator[list[int]]:
    """Places of prompts of like length, as many as a pass may hold with their padding."""
    batch: list[int] = []
    for place in sorted(range(len(prompts)), key=lambda place: -len(prompts[place])):
        if batch and len(prompts[batch[0]]) * (len(batch) + 1) > TOKENS_PER_PASS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
