"""Runs prompts in rows of their own, for layers whose state would mix neighbours in a pack.

Linear attention (Qwen3.5's) carries a state from token to token. Padding stands behind a
prompt's last token, where neither attention nor state looks, so that no mask is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from qwen_rerank.scorers.local.batch import Segment


class PaddedPass:
    """Runs whole prompts, which share nothing, through transformers' layers.

    Args:
        backbone: transformers' own model, without a head.
        budget: The most tokens of several rows at once, padding included.
    """

    def __init__(self, backbone: Any, budget: int) -> None:
        backbone.set_attn_implementation("sdpa")
        self._backbone = backbone
        self._device: torch.device = backbone.embed_tokens.weight.device
        self.budget = budget

    def __call__(self, segments: Sequence[Segment]) -> Tensor:
        """The hidden state at the end of each prompt, of shape (prompts, hidden)."""
        order = sorted(range(len(segments)), key=lambda i: len(segments[i].ids))
        rows = [
            self._ends([segments[i].ids for i in group])
            for group in _groups(segments, order, self.budget)
        ]
        places = torch.tensor(order, device=self._device).argsort()
        return torch.cat(rows)[places]

    def _ends(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """The same of a few prompts, which fit into one pass."""
        longest = max(map(len, prompts))
        padded = [[*ids, *[0] * (longest - len(ids))] for ids in prompts]
        rows = torch.tensor(padded, device=self._device)
        hidden: Tensor = self._backbone(input_ids=rows, use_cache=False).last_hidden_state
        ends = torch.tensor([len(ids) - 1 for ids in prompts], device=self._device)
        return hidden[torch.arange(len(prompts), device=self._device), ends]


def _groups(segments: Sequence[Segment], order: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Neighbours in length, whose padded rows stay within the budget."""
    group: list[int] = []
    for place in order:
        if group and (len(group) + 1) * len(segments[place].ids) > budget:
            yield group
            group = []
        group.append(place)
    yield group
