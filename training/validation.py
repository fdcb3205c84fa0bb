"""The held-out part of the training groups: what checkpoints are chosen by."""

from collections.abc import Sequence

import numpy as np
import torch

from training.batching import Batcher, Group, gather
from training.mining import Example
from training.network import Reranker

PARTS = {
    "en": ("sentence", ("nqg-sent",), 128),
    "zh": ("sentence", ("drcd-dev-s-sent", "cmrc-trial-sent"), 128),
    "passages": ("passage", ("nqg", "drcd-dev-s", "cmrc-trial"), 320),
    "miniature": ("passage", ("docstrings", "chinese"), 320),
}


def validate(
    network: Reranker, batcher: Batcher, held_out: Sequence[Example], count: int = 40
) -> dict[str, float]:
    """Mean reciprocal rank of the answer among 16, by part."""
    figures = {}
    for name, (kind, sources, limit) in PARTS.items():
        examples = [e for e in held_out if e.kind == kind and e.source in sources]
        examples = examples[:: max(1, len(examples) // count)]
        if examples:
            figures[f"mrr_{name}"] = round(_mrr(network, batcher, examples, limit), 4)
    return figures


def _mrr(network: Reranker, batcher: Batcher, examples: Sequence[Example], limit: int) -> float:
    ranks = []
    for start in range(0, len(examples), 8):
        part = examples[start : start + 8]
        groups = [batcher.group(e.query, [e.positive, *e.negatives[:15]], limit) for e in part]
        table = score_groups(network, batcher, groups)
        ranks += [1 + int((row[1:] >= row[0]).sum()) for row in table]
    return float(np.mean([1 / rank for rank in ranks]))


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
