"""One attention head, wired by hand: what it asks, what keys offer, what it carries where."""

import math
from typing import Any

import torch
from torch import Tensor

from training.layout import CHANNELS, at

THETA = 1e16  # RoPE's base: pair i of 32 turns by 10^(-i/2) radian a token
FAST = 7  # pairs 0..6 turn; the others hardly, within thousands of tokens: distance is no matter


class Head:
    """Head ``index`` of an attention layer, cleared; its rows are views into the layer's weights.

    Query and key live on the *slow* dimensions (numbered from 0) unless the head looks back. The
    norms of query and key fix their lengths, so that only directions count.
    """

    def __init__(self, layer: Any, index: int) -> None:
        attention = layer.self_attn
        size = attention.head_dim
        rows = slice(index * size, (index + 1) * size)
        self._q: Tensor = attention.q_proj.weight[rows]
        self._k: Tensor = attention.k_proj.weight[rows]
        self._v: Tensor = attention.v_proj.weight[rows]
        self._o: Tensor = attention.o_proj.weight[:, rows]
        for weight in (self._q, self._k, self._v, self._o):
            weight.zero_()
        half = size // 2
        self._half = half
        self._slow = [*range(FAST, half), *range(half + FAST, size)]
        self._used: dict[str, int] = {}

    def ask(self, direction: dict[int, float]) -> None:
        """Every token asks for the same: ``direction`` on slow dimensions."""
        for dimension, value in direction.items():
            self._q[self._slow[dimension], at("constant")] = value

    def offer(self, channel: str, dimension: int, weight: float) -> None:
        """Keys show ``channel`` on a slow dimension."""
        self._k[self._slow[dimension], at(channel)] += weight

    def compare(self, channel: str, dimensions: range) -> None:
        """Look for tokens whose ``channel`` is like the own one."""
        self.compare_by(torch.eye(len(dimensions)), channel, dimensions)

    def compare_by(self, projection: Tensor, channel: str, dimensions: range) -> None:
        """The same after a ``projection`` of shape (len(dimensions), width of the channel)."""
        columns = list(CHANNELS[channel])
        for row, dimension in zip(projection, dimensions, strict=True):
            for weight in (self._q, self._k):
                weight[self._slow[dimension], columns] = row

    def look_back(self, distance: int, shares: dict[int, float], rest: float = 0.0) -> None:
        """Attend ``distance`` tokens back; ``shares`` of the logit by pair, ``rest`` is flat."""
        for pair, share in shares.items():
            angle, length = distance * THETA ** (-pair / self._half), math.sqrt(share)
            self._k[pair, at("constant")] = length
            self._q[pair, at("constant")] = length * math.cos(angle)
            self._q[pair + self._half, at("constant")] = -length * math.sin(angle)
        for weight in (self._q, self._k):
            weight[self._slow[0], at("constant")] = math.sqrt(rest)

    def carry(self, channel: str, target: str, gain: float) -> None:
        """Write the attended tokens' ``channel`` into ``target``, times ``gain``."""
        start = self._used.setdefault(channel, sum(len(CHANNELS[c]) for c in self._used))
        for offset, (source, place) in enumerate(
            zip(CHANNELS[channel], CHANNELS[target], strict=True)
        ):
            self._v[start + offset, source] = 1.0
            self._o[place, start + offset] = gain
