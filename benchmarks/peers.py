"""The ways to score that are compared, each as it is used by those who use it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.model import share_weights, twin
from qwen_rerank import RerankRequest, ScorerError
from qwen_rerank.prompt import QWEN3
from qwen_rerank.scorers.local.attention import current_batch
from qwen_rerank.scorers.local.checkpoint import Checkpoint
from qwen_rerank.scorers.local.encoder import PromptEncoder, answer_ids
from qwen_rerank.scorers.local.engine import Engine
from tests.qwen3.official import OfficialReranker
from tests.qwen3.tokenizer import build_tokenizer

COMPILED = "ours, compiled"
Score = Callable[[str, Sequence[str]], list[float]]
PADDED_TOKENS = 4096
"""The most tokens, padding included, of one batch of those who pad: the official code itself
has no limit and would ask for 100 GB of logits."""


class Peers:
    """All of them over one set of weights, by name.

    Args:
        folder: Holds the model.
        device: Where it runs.
        dtype: Of the weights.
        compiled: Whether our engine is there a second time, compiled by torch.
    """

    def __init__(
        self, folder: Path, device: torch.device, dtype: torch.dtype, *, compiled: bool = False
    ) -> None:
        self._official = OfficialReranker(folder)
        self._official.model = self.model = self._official.model.to(device, dtype)
        self.device = device
        tokenizer = build_tokenizer()
        self.encoder = PromptEncoder(tokenizer, QWEN3, 40960)
        head = self.model.get_output_embeddings().weight
        yes, no = answer_ids(tokenizer, QWEN3.answer)
        self._answer = head[yes].detach().float() - head[no].detach().float()
        self._bare = twin(self.model).model.eval()
        self.backbone = backbone = twin(self.model).model.eval()
        self.engine = Engine(Checkpoint(backbone, self._answer))
        self.passed = 0
        backbone.register_forward_pre_hook(self._count)
        self._compiled = self._compiled_engine() if compiled else None
        self._cross = self._cross_encoder(folder, device, dtype)

    def __call__(self) -> dict[str, Score]:
        """The functions to time; each gives P("yes") for every document."""
        more = {COMPILED: self.ours_compiled} if self._compiled else {}
        return {
            "ours": self.ours,
            **more,
            "official": self.official,
            "sentence-transformers": self.sentence_transformers,
            "last position, sorted": self.last_position,
        }

    def ours(self, query: str, documents: Sequence[str]) -> list[float]:
        """What `LocalScorer.score` does once the model is there."""
        return self._score(self.engine, query, documents)

    def ours_compiled(self, query: str, documents: Sequence[str]) -> list[float]:
        """The same with `LocalScorer(compiled=True)`."""
        assert self._compiled
        return self._score(self._compiled, query, documents)

    def _score(self, engine: Engine, query: str, documents: Sequence[str]) -> list[float]:
        [odds] = engine.log_odds([self.encoder.encode(RerankRequest(query, documents))])
        assert not isinstance(odds, ScorerError), odds
        return [1 / (1 + math.exp(-o)) for o in odds if isinstance(o, float)]

    def _compiled_engine(self) -> Engine:
        from qwen_rerank.scorers.local.compiled import compile_layers

        backbone = twin(self.model).model.eval()
        engine = Engine(Checkpoint(backbone, self._answer))
        some = self.encoder.encode(RerankRequest("a", ["b", "c"]))
        compile_layers(backbone, lambda: engine.log_odds([some]))
        return engine

    def official(self, query: str, documents: Sequence[str]) -> list[float]:
        """The model card's code, in batches that fit into memory."""
        longest = max(map(len, self._official.prompts(query, documents)))
        size = max(1, PADDED_TOKENS // longest)
        return [
            score
            for first in range(0, len(documents), size)
            for score in self._official.score(query, documents[first : first + size])
        ]

    def sentence_transformers(self, query: str, documents: Sequence[str]) -> list[float]:
        """`CrossEncoder.predict` with its defaults but for the batch size, as above."""
        longest = max(map(len, self._official.prompts(query, documents)))
        scores: Any = self._cross.predict(
            [(query, document) for document in documents],
            batch_size=min(32, max(1, PADDED_TOKENS // longest)),
            activation_fn=torch.nn.Sigmoid(),
            show_progress_bar=False,
        )
        return [float(score) for score in scores]

    @torch.inference_mode()
    def last_position(self, query: str, documents: Sequence[str]) -> list[float]:
        """No vocabulary logits, prompts sorted by length and padded on the right."""
        encoded = self.encoder.encode(RerankRequest(query, documents))
        prompts = [torch.tensor(encoded.prefix + ids) for ids in encoded.documents]
        scores = [0.0] * len(prompts)
        for places in _batches([len(prompt) for prompt in prompts]):
            rows = [prompts[place] for place in places]
            ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.device)
            hidden = self._bare(input_ids=ids, use_cache=False).last_hidden_state
            ends = hidden[range(len(rows)), [len(row) - 1 for row in rows]].float()
            for place, score in zip(places, (ends @ self._answer).sigmoid().tolist(), strict=True):
                scores[place] = score
        return scores

    def _cross_encoder(self, folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
        from sentence_transformers import CrossEncoder

        cross = CrossEncoder(str(folder), device=str(device), model_kwargs={"dtype": dtype})
        names = [type(module).__name__ for module in cross]
        assert names == ["Transformer", "LogitScore"], names
        share_weights(cross[0].model, self.model)
        return cross

    def _count(self, module: Any, args: Any) -> None:  # noqa: ARG002 - a hook's form
        self.passed += sum(len(segment.ids) for segment in current_batch().segments)


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > PADDED_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    yield batch
