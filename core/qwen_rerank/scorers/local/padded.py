"""Runs prompts in rows of their own, for layers whose state would mix neighbours in a pack.

Linear attention (Qwen3.5's) carries a state from token to token. Padding stands behind a
prompt's last token, where neither attention nor state looks, so that no mask is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from qwen_rerank.scorers.local.batch import Segment


def last_hidden(
    backbone: nn.Module, segments: Sequence[Segment], device: torch.device, budget: int
) -> Tensor:
    """The hidden state at the end of each whole prompt.

    Args:
        backbone: transformers' own model, without a head.
        segments: Whole prompts, which share nothing.
        device: Where the model is.
        budget: The most tokens of several rows in one pass, padding included.

    Returns:
        Shape (segments, hidden), in the order of the segments.
    """
    order = sorted(range(len(segments)), key=lambda i: len(segments[i].ids))
    rows = [
        _ends(backbone, [segments[i].ids for i in group], device)
        for group in _groups(segments, order, budget)
    ]
    places = torch.tensor(order, device=device).argsort()
    return torch.cat(rows)[places]


def _groups(segments: Sequence[Segment], order: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Neighbours in length, whose padded rows stay within the budget."""
    group: list[int] = []
    for place in order:
        if group and (len(group) + 1) * len(segments[place].ids) > budget:
            yield group
            group = []
        group.append(place)
    yield group


def _ends(backbone: Any, prompts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    longest = max(map(len, prompts))
    ids = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in prompts], device=device)
    hidden: Tensor = backbone(input_ids=ids, use_cache=False).last_hidden_state
    ends = torch.tensor([len(ids) - 1 for ids in prompts], device=device)
    return hidden[torch.arange(len(prompts), device=device), ends]
