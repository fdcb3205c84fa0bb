"""Train the wired network on mined groups, for a given time, resuming where a run stopped.

    python -m training.train --work WORK --minutes 60 --processes 2

Writes WORK/checkpoint and the curve WORK/curve.jsonl.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.nn import functional as F

from training import mining
from training.batching import Batcher, Group, gather
from training.checkpoint import Progress, load_reranker, resume, save
from training.groups import Plan, Sampler
from training.network import Reranker, block
from training.parallel import agree, average_gradients, join
from training.validation import validate

PLANS = [Plan("sentence", 14, 11, 128), Plan("passage", 5, 8, 320)]
PASSAGE_SHARE = 0.33
BODY_RATE, EMBEDDING_RATE = 4e-4, 2e-4
YES_NO_WEIGHT = 0.2
EVERY = 240.0  # seconds between checkpoints


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments and start the processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of training.prepare")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile: slow start")
    parser.add_argument("--port", type=int, default=29611)
    options = parser.parse_args(arguments)
    if options.processes > 1:
        spawn(run, args=(options,), nprocs=options.processes)
    else:
        run(0, options)


def run(rank: int, options: argparse.Namespace) -> None:
    """One process of the run."""
    if options.processes > 1:
        torch.set_num_threads(1)
    join(rank, options.processes, options.port)
    Trainer(rank, options).run()


class Trainer:
    """The network, its optimizer, the data, and how far they are."""

    def __init__(self, rank: int, options: argparse.Namespace) -> None:
        self._rank, self._options = rank, options
        self._checkpoint = options.work / "checkpoint"
        resumed = self._checkpoint.exists()
        source = self._checkpoint if resumed else options.work / "wired"
        self._network, self._tokenizer = load_reranker(source)
        self._network.to(options.device)
        if options.compile:
            self._network.block = torch.compile(block, dynamic=True)
        self._optimizer = make_optimizer(self._network)
        self._progress = resume(self._checkpoint, self._optimizer) if resumed else Progress()
        self._batcher = Batcher(self._tokenizer)
        examples = mining.load(options.work / "examples.jsonl.gz")
        self._sampler = Sampler([e for e in examples if not e.held_out], self._batcher)
        self._held_out = [e for e in examples if e.held_out]

    def run(self) -> None:
        """Train until the time is over; the first process writes checkpoints and the curve."""
        saved = self._progress.seconds
        while self._progress.seconds < self._options.minutes * 60:
            row = self._advance()
            ended = self._progress.seconds >= self._options.minutes * 60
            if self._rank == 0 and (ended or self._progress.seconds - saved > EVERY):
                saved = self._progress.seconds
                save(
                    self._checkpoint,
                    self._network,
                    self._tokenizer,
                    self._optimizer,
                    self._progress,
                )
                row |= validate(self._network, self._batcher, self._held_out)
            if self._rank == 0:
                _log(self._options.work / "curve.jsonl", row)

    def _advance(self) -> dict[str, float]:
        """One step; gives its line of the curve."""
        began, progress = time.monotonic(), self._progress
        set_rates(self._optimizer, progress.seconds / (self._options.minutes * 60))
        groups = self._sampler.draw(
            _plan(progress.step), random.Random(f"{progress.step} {self._rank}")
        )
        loss = step(self._network, self._optimizer, self._batcher, groups, self._options.device)
        progress.step += 1
        progress.tokens += (
            sum(len(d) for g in groups for d in g.documents) * self._options.processes
        )
        progress.seconds = agree(progress.seconds + time.monotonic() - began)
        minutes = round(progress.seconds / 60, 2)
        return {"step": progress.step, "tokens": progress.tokens, "loss": loss, "minutes": minutes}


def make_optimizer(network: Reranker) -> torch.optim.Optimizer:
    """AdamW; a gentle rate keeps the wiring alive while everything learns."""
    embedding = network.model.model.embed_tokens.weight
    body = [p for p in network.parameters() if p is not embedding]
    groups = [{"params": body, "rate": BODY_RATE}, {"params": [embedding], "rate": EMBEDDING_RATE}]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01)


def set_rates(optimizer: torch.optim.Optimizer, done: float) -> None:
    """Warm up over 2 % of the time, then a cosine down to a fiftieth; ``done`` is 0 to 1."""
    scale = min(1.0, (done + 0.001) / 0.02) * (0.51 + 0.49 * math.cos(math.pi * min(done, 1.0)))
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * scale


def step(
    network: Reranker,
    optimizer: torch.optim.Optimizer,
    batcher: Batcher,
    groups: Sequence[Group],
    device: str,
) -> float:
    """One update; gives the loss."""
    batch, chunks = batcher.batch(groups, device)
    with torch.autocast(device, torch.bfloat16):
        scores = network(batch)
    shape = (len(groups), max(len(g.documents) for g in groups))
    loss = ranking_loss(gather(scores, chunks, shape))
    optimizer.zero_grad()
    loss.backward()
    parameters = list(network.parameters())
    average_gradients(parameters)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return float(loss.detach())


def ranking_loss(table: Tensor) -> Tensor:
    """Softmax over each row, answer first, and yes/no so that 0.5 means something.

    ``table`` is (groups, documents) of logits, -inf where a group has no such document.
    """
    target = torch.zeros(len(table), dtype=torch.long, device=table.device)
    others = table[:, 1:][table[:, 1:].isfinite()]
    yes_no = (F.softplus(-table[:, 0]).mean() + F.softplus(others).mean()) / 2
    return F.cross_entropy(table, target) + YES_NO_WEIGHT * yes_no


def _plan(step_number: int) -> Plan:
    """The same for all processes, so that they finish together."""
    return PLANS[random.Random(f"plan {step_number}").random() < PASSAGE_SHARE]


def _log(path: Path, row: dict[str, float]) -> None:
    with path.open("a") as out:
        out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
