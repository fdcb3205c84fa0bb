"""In the last layer only the tokens that answer need work."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from qwen_rerank.scorers.local.attention import running_pack


class OnlyEnds(nn.Module):
    """A row-wise part of a model, worked out for the last token of each tail only.

    The other rows are zeros, which nothing reads any more. Keys and values are not wrapped:
    every token's are looked at.

    Args:
        part: Maps (1, tokens, width in) to (1, tokens, width out), each row by itself.
        width: The width out.
    """

    def __init__(self, part: nn.Module, width: int) -> None:
        super().__init__()
        self.part = part
        self.width = width

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (1, tokens, width in) to (1, tokens, width out)."""
        ends = running_pack().ends
        answers = rows.new_zeros(1, rows.shape[1], self.width)
        return answers.index_copy_(1, ends, self.part(rows[:, ends]))


def answer_at_ends(backbone: nn.Module) -> None:
    """Wrap the parts of a Qwen3 model's last layer; a second call changes nothing."""
    model: Any = backbone
    layer = model.layers[-1]
    if isinstance(layer.mlp, OnlyEnds):
        return
    attention, hidden = layer.self_attn, model.config.hidden_size
    attention.q_proj = OnlyEnds(attention.q_proj, attention.q_proj.out_features)
    attention.o_proj = OnlyEnds(attention.o_proj, hidden)
    layer.mlp = OnlyEnds(layer.mlp, hidden)
