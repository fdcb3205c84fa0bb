"""Move the scores so that 0.5 separates matches from misses; the order stays.

    python -m training.calibrate --work WORK [--name distilled]

Training weighs answers against near misses, and ends strict. Here nine of ten held-out
training answers are to score above 0.5. The model has no bias, so the rows of yes and no each get
half the offset along the direction in which all last hidden states agree: the u with h . u = 1,
by ridge regression. Writes WORK/calibrated.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import mining
from training.batching import Batcher
from training.checkpoint import load_reranker, save
from training.mining import Example
from training.network import Reranker
from training.validation import PARTS

ABOVE = 0.9
RIDGE = 1e-3
NEAR_MISSES = 4


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, shift, save, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--name", default="distilled", help="which folder of WORK")
    parser.add_argument("--count", type=int, default=60, help="held-out groups a part")
    options = parser.parse_args(arguments)
    network, tokenizer = load_reranker(options.work / options.name)
    examples = held_out(mining.load(options.work / "examples.jsonl.gz"), options.count)
    print(json.dumps(calibrate(network.eval(), Batcher(tokenizer), examples)))
    save(options.work / "calibrated", network, tokenizer)


def held_out(examples: Sequence[Example], count: int) -> list[Example]:
    """Up to ``count`` held-out examples of each part of the validation."""
    chosen: list[Example] = []
    for kind, sources, _ in PARTS.values():
        part = [e for e in examples if e.held_out and e.kind == kind and e.source in sources]
        part = [e for e in part if len(e.negatives) >= NEAR_MISSES]
        chosen += part[:: max(1, len(part) // count)][:count]
    return chosen


@torch.no_grad()
def calibrate(network: Reranker, batcher: Batcher, examples: Sequence[Example]) -> dict[str, float]:
    """Shift the network's answer rows in place; gives the figures before and after."""
    rows = network.model.model.embed_tokens.weight
    states = _states(network, batcher, examples)
    before = states @ (rows[network.yes] - rows[network.no])
    offset = -float(np.quantile(before[:, 0].numpy(), 1 - ABOVE))
    direction = _common(states.flatten(0, 1))
    rows[network.yes] += offset / 2 * direction
    rows[network.no] -= offset / 2 * direction
    after = _states(network, batcher, examples) @ (rows[network.yes] - rows[network.no])
    return {
        "offset": round(offset, 3),
        "unevenness": round(float((after - before).std()), 4),
        "answers above 0.5 before": _share(before[:, 0] > 0),
        "answers above 0.5": _share(after[:, 0] > 0),
        "near misses below 0.5": _share(after[:, 1:-1] < 0),
        "texts on something else below 0.5": _share(after[:, -1] < 0),
    }


def _states(network: Reranker, batcher: Batcher, examples: Sequence[Example]) -> Tensor:
    """(examples, texts, H): the answer, near misses, and the answer to another question."""
    found = []
    for place, example in enumerate(examples):
        stranger = examples[(place + len(examples) // 2) % len(examples)].positive
        texts = [example.positive, *example.negatives[:NEAR_MISSES], stranger]
        batch, chunks = batcher.batch([batcher.group(example.query, texts)])
        places = torch.from_numpy(np.concatenate(chunks)[:, 1].argsort())
        found.append(torch.cat(network.states(batch))[places])
    return torch.stack(found)


def _common(states: Tensor) -> Tensor:
    """The smallest u with ``states`` (N, H) @ u near 1 everywhere."""
    states = states.double()
    square = states.T @ states / len(states)
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    return torch.linalg.solve(square, states.mean(0)).float()


def _share(flags: Tensor) -> float:
    return round(float(flags.float().mean()), 3)


if __name__ == "__main__":
    main()
