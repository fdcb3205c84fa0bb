"""The held-out parts of the mined examples, and the scores of their groups."""

from collections.abc import Sequence

import numpy as np
import torch

from training.batching import Batcher, Group, gather
from training.network import Reranker

PARTS = {
    "en": ("sentence", ("nqg-sent",), 128),
    "zh": ("sentence", ("drcd-dev-s-sent", "cmrc-trial-sent"), 128),
    "passages": ("passage", ("nqg", "drcd-dev-s", "cmrc-trial"), 320),
    "miniature": ("passage", ("docstrings", "chinese"), 320),
}


@torch.no_grad()
def score_groups(
    network: Reranker, batcher: Batcher, groups: Sequence[Group], bf16: bool = True
) -> np.ndarray:
    """Logits (groups, documents), -inf where a group has fewer documents."""
    device = next(network.parameters()).device.type
    batch, chunks = batcher.batch(groups, device)
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        scores = network(batch)
    shape = (len(groups), max(len(g.documents) for g in groups))
    return gather(scores, chunks, shape).float().cpu().numpy()
