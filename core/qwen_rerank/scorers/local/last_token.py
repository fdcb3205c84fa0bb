"""In the last layer only the last token of each document needs work."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from qwen_rerank.scorers.local.attention import current_batch


class LastTokenOnly(nn.Module):
    """A row-wise part of a model, computed for the last token of each document only.

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
        ends = current_batch().ends
        answers = rows.new_zeros(1, rows.shape[1], self.width)
        return answers.index_copy_(1, ends, self.part(rows[:, ends]))


def only_last_tokens(backbone: nn.Module) -> None:
    """Wrap the parts of a Qwen3 model's last layer; a second call changes nothing."""
    model: Any = backbone
    layer = model.layers[-1]
    if isinstance(layer.mlp, LastTokenOnly):
        return
    attention, hidden = layer.self_attn, model.config.hidden_size
    attention.q_proj = LastTokenOnly(attention.q_proj, attention.q_proj.out_features)
    attention.o_proj = LastTokenOnly(attention.o_proj, hidden)
    layer.mlp = LastTokenOnly(layer.mlp, hidden)
