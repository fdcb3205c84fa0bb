"""Train the wired network to order candidates as the teachers do.

    python -m training.distil --work WORK --seconds 115

Reads WORK/wired (or another folder with `--start`), packed.npz and labels.npy. Writes
WORK/distilled and the curve WORK/curve.jsonl.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from training.checkpoint import load_reranker, save
from training.draws import PASSAGES, SENTENCES, STRANGER_SHARE, Questions, Shape, join
from training.loss import NOTHING, distillation_loss
from training.network import Reranker, Rows, block
from training.pack import load_packed
from training.prompt import INSTRUCTION, OTHER_INSTRUCTIONS, SUFFIX, head
from training.recipe import WEIGHTS
from training.tokenizer import encode

BODY_RATE, EMBEDDING_RATE = 1e-3, 4e-4
PASSAGE_SHARE = 0.4  # of the steps
OTHER_INSTRUCTION_SHARE = 0.2
WARM_UP, LEAST_RATE = 0.02, 0.02  # shares of the time, and of the rate
VALIDATED = 300  # held-out questions of a collection
VALIDATED_CANDIDATES = 24
EVERY = 100  # steps of one line of the curve


@dataclass(frozen=True)
class Limit:
    """When a run ends, and how much a step takes."""

    seconds: float
    steps: int | None = None
    tokens: int = 80_000  # of the documents of a step, about


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, train, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--start", default="wired", help="which folder of WORK to go on from")
    parser.add_argument("--seconds", type=float, default=115.0)
    parser.add_argument("--steps", type=int, help="stop after so many")
    parser.add_argument("--tokens", type=int, default=80_000, help="of a step, about")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile: slow start")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    network, tokenizer = load_reranker(options.work / options.start)
    network.to(options.device)
    if options.compile:
        network.block = torch.compile(block, dynamic=True)
    labels = np.load(options.work / "labels.npy")
    questions = Questions(load_packed(options.work), labels, options.device)
    limit = Limit(options.seconds, options.steps, options.tokens)
    Distiller(network, tokenizer, questions, options.work / "curve.jsonl").run(limit)
    save(options.work / "distilled", network.cpu(), tokenizer)


class Distiller:
    """The network, its optimizer, the questions, and the prompt around them."""

    def __init__(
        self,
        network: Reranker,
        tokenizer: PreTrainedTokenizerFast,
        questions: Questions,
        curve: Path,
    ) -> None:
        self._network, self._questions, self._curve = network, questions, curve
        self._optimizer = make_optimizer(network)
        self._chance = random.Random(0)
        self._device = next(network.parameters()).device
        self._heads = [self._head(tokenizer, i) for i in (INSTRUCTION, *OTHER_INSTRUCTIONS)]
        self._end = self._ids(tokenizer, SUFFIX)
        sources = [i for i, name in enumerate(questions.names) if WEIGHTS.get(name)]
        pools = {source: questions.of(source, held_out=False) for source in sources}
        self._pools = {source: places for source, places in pools.items() if len(places)}

    def run(self, limit: Limit) -> None:
        """Train until the limit; the curve begins and ends with the held-out questions."""
        self._log(self.validate())
        began, done, step, tokens = time.monotonic(), 0.0, 0, 0
        losses: list[Tensor] = []
        while done < 1.0:
            set_rates(self._optimizer, done)
            loss, seen = self._step(limit.tokens)
            step, tokens = step + 1, tokens + seen
            losses.append(loss)
            seconds = time.monotonic() - began
            done = max(seconds / limit.seconds, step / limit.steps if limit.steps else 0.0)
            if step % EVERY == 0 or done >= 1.0:
                mean = float(torch.stack(losses).mean())
                self._log({"step": step, "seconds": seconds, "tokens": tokens, "loss": mean})
                losses.clear()
        self._log(self.validate())

    @torch.no_grad()
    def validate(self) -> dict[str, dict[str, float]]:
        """By collection: nDCG@10 of the answer, and how often the teacher's best comes first."""
        found = {}
        for source, name in enumerate(self._questions.names):
            places = self._questions.of(source, held_out=True)[:VALIDATED].to(self._device)
            if len(places):
                parts = [self._measure(part, self._shape(source)) for part in places.split(50)]
                gains, agreed = (torch.cat(values) for values in zip(*parts, strict=True))
                figures = {"ndcg": gains, "teacher": agreed}
                found[name] = {k: round(float(v.mean()), 4) for k, v in figures.items() if len(v)}
        return found

    def _step(self, tokens: int) -> tuple[Tensor, int]:
        """One update; gives the loss and the number of tokens of the documents."""
        shape = PASSAGES if self._chance.random() < PASSAGE_SHARE else SENTENCES
        places = self._draw(shape, max(2, tokens // (shape.candidates * shape.average)))
        columns = self._questions.pick(places, shape.candidates)
        other = self._chance.random() < OTHER_INSTRUCTION_SHARE
        head = self._chance.choice(self._heads[1:]) if other else self._heads[0]
        strangers = self._chance.random() < STRANGER_SHARE
        scores, seen = self._scores(places, columns, head, shape.longest, strangers=strangers)
        loss = distillation_loss(scores, self._questions.targets(places, columns))
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        return loss.detach(), seen

    def _draw(self, shape: Shape, count: int) -> Tensor:
        """Questions of one kind (of any, where there is none), the collections by their weights."""
        fitting = [s for s in self._pools if self._shape(s) is shape] or list(self._pools)
        weights = [WEIGHTS[self._questions.names[source]] for source in fitting]
        drawn = self._chance.choices(fitting, weights, k=count)
        places = [self._chance.choice(self._pools[source]) for source in drawn]
        return torch.stack(places).to(self._device)

    def _scores(
        self, places: Tensor, columns: Tensor, head: Rows, longest: int, *, strangers: bool = False
    ) -> tuple[Tensor, int]:
        """Logits (B, N), `NOTHING` where there is no candidate, and the tokens that it took."""
        batch, rows = self._questions.batch(
            places, columns, head, self._end, longest, strangers=strangers
        )
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            found = torch.cat(self._network(batch))
        table = torch.full(columns.shape, NOTHING, device=self._device)
        tokens = sum(int(part.lengths.sum()) for part in batch.documents)
        return table.index_put((rows[:, 0], rows[:, 1]), found), tokens

    def _measure(self, places: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        columns = self._questions.first(places, VALIDATED_CANDIDATES)
        scores, _ = self._scores(places, columns, self._heads[0], shape.longest)
        targets = self._questions.targets(places, columns)
        rank = (scores > scores[:, :1]).sum(1)[targets.answered]
        gains = torch.where(rank < 10, 1 / torch.log2(rank + 2.0), 0.0)
        best = targets.teacher.masked_fill(~targets.labelled, -torch.inf).argmax(1)
        agreed = (scores.argmax(1) == best)[targets.labelled.any(1)]
        return gains, agreed.float()

    def _shape(self, source: int) -> Shape:
        return PASSAGES if self._questions.passage[source] else SENTENCES

    def _head(self, tokenizer: PreTrainedTokenizerFast, instruction: str) -> Rows:
        ids = self._ids(tokenizer, head(instruction))
        starts = torch.zeros(1, dtype=torch.long, device=self._device)
        return join([(ids, starts, starts + len(ids))])

    def _ids(self, tokenizer: PreTrainedTokenizerFast, text: str) -> Tensor:
        return torch.tensor(encode(tokenizer, [text])[0], device=self._device)

    def _log(self, row: object) -> None:
        print(json.dumps(row), flush=True)
        with self._curve.open("a") as out:
            out.write(json.dumps(row) + "\n")


def make_optimizer(network: Reranker) -> torch.optim.Optimizer:
    """AdamW; a gentler rate for the embedding keeps the codes of rare words alive."""
    embedding = network.model.model.embed_tokens.weight
    body = [p for p in network.parameters() if p is not embedding]
    groups = [{"params": body, "rate": BODY_RATE}, {"params": [embedding], "rate": EMBEDDING_RATE}]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01)


def set_rates(optimizer: torch.optim.Optimizer, done: float) -> None:
    """Warm up, then fall in a line; ``done`` is the share of the run, 0 to 1."""
    scale = min(1.0, (done + 0.0005) / WARM_UP) * max(LEAST_RATE, 1 - done)
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * scale


if __name__ == "__main__":
    main()
