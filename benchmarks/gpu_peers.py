"""The ways to score that `benchmarks.gpu` compares, each as those who use it write it.

Each is made on its own, so that one that lacks something costs the others nothing. All give
log-odds, query by query.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.model import share_weights, twin
from qwen_rerank import RerankRequest, ScorerError
from qwen_rerank.prompt import QWEN3
from qwen_rerank.scorers.local.checkpoint import Checkpoint
from qwen_rerank.scorers.local.encoder import EncodedQuery, PromptEncoder, answer_ids
from qwen_rerank.scorers.local.engine import Engine
from qwen_rerank.scorers.local.gpu import fused_model, graphs
from qwen_rerank.scorers.local.gpu.steps import EAGER
from qwen_rerank.scorers.local.model_folder import read_tokenizer
from tests.qwen3.official import PREFIX, SUFFIX, TASK, OfficialReranker

BATCH = 32
"""Documents at once for those who pad; sentence-transformers' default."""
Task = tuple[str, Sequence[str]]
"""A query and its documents."""
Score = Callable[[Sequence[Task]], list[list[float]]]
Make = Callable[["Model"], Score]


@dataclass
class Model:
    """One set of weights for all, and what makes prompts for it."""

    folder: Path
    device: torch.device
    dtype: torch.dtype
    official: OfficialReranker = field(init=False)
    encoder: PromptEncoder = field(init=False)
    answer: Tensor = field(init=False)
    engines: dict[str, Engine] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.official = OfficialReranker(self.folder)
        model = self.official.model.to(self.device)
        for parameter in model.parameters():  # not buffers: rotary frequencies stay in fp32
            parameter.data = parameter.data.to(self.dtype)
        tokenizer = read_tokenizer(self.folder)
        self.encoder = PromptEncoder(tokenizer, QWEN3, 40960)
        head = model.get_output_embeddings().weight
        yes, no = answer_ids(tokenizer, QWEN3.answer)
        assert no is not None
        self.answer = head[yes].detach().float() - head[no].detach().float()

    def backbone(self) -> Any:
        """A model of its own over the same weights."""
        return twin(self.official.model).model.eval()

    def encoded(self, tasks: Sequence[Task]) -> Iterator[EncodedQuery]:
        """Token ids of all prompts, query by query."""
        return (self.encoder.encode(RerankRequest(query, texts)) for query, texts in tasks)

    @torch.inference_mode()
    def truth(self, tasks: Sequence[Task]) -> list[list[float]]:
        """Log-odds in fp32, prompt by prompt through the unchanged model."""
        exact = copy.deepcopy(self.official.model.model).float().eval()
        odds = []
        for query in self.encoded(tasks):
            prompts = [torch.tensor([query.prefix + ids]) for ids in query.documents]
            ends = [
                exact(input_ids=prompt.to(self.device), use_cache=False).last_hidden_state[0, -1]
                for prompt in prompts
            ]
            odds.append((torch.stack(ends) @ self.answer).tolist())
        return odds


def candidates() -> Iterator[tuple[str, Make]]:
    """All of them by name, in the order in which they are measured."""
    yield "ours", partial(_ours, "ours")
    yield "sentence-transformers, SDPA", partial(_cross_encoder, "sdpa")
    yield "sentence-transformers, FA2", partial(_cross_encoder, "flash_attention_2")
    for name, target, part, value in (
        ("ours, no graphs", graphs, "GRAPH_TOKENS", 0),
        ("ours, not compiled", fused_model, "compiled_steps", lambda *_: EAGER),
    ):
        yield name, partial(_without, name, patch.object(target, part, value))
    yield "official", _official
    yield "vLLM", _vllm


def _ours(name: str, model: Model) -> Score:
    """What `LocalScorer.score_batch` does once the model is there."""
    engine = model.engines[name] = Engine(Checkpoint(model.backbone(), model.answer))

    def score(tasks: Sequence[Task]) -> list[list[float]]:
        return [_numbers(odds) for odds in engine.log_odds(model.encoded(tasks))]

    return score


def _without(name: str, off: Any, model: Model) -> Score:
    """The same with a part of the engine switched off."""
    with off:
        score = _ours(name, model)

    def score_without(tasks: Sequence[Task]) -> list[list[float]]:
        with off:
            return score(tasks)

    return score_without


def _numbers(odds: Any) -> list[float]:
    assert not isinstance(odds, ScorerError), odds
    wrong = [one for one in odds if not isinstance(one, float)]
    assert not wrong, wrong[0]
    return list(odds)


def _cross_encoder(attention: str, model: Model) -> Score:
    """`CrossEncoder.predict` with its defaults, log-odds instead of probabilities."""
    from sentence_transformers import CrossEncoder

    if attention == "flash_attention_2" and find_spec("flash_attn") is None:
        raise ImportError("flash-attn is not installed")
    settings = {"dtype": model.dtype, "attn_implementation": attention}
    cross = CrossEncoder(str(model.folder), device=str(model.device), model_kwargs=settings)
    share_weights(cross[0].model, model.official.model)

    def score(tasks: Sequence[Task]) -> list[list[float]]:
        pairs = [(query, text) for query, texts in tasks for text in texts]
        odds: Any = cross.predict(
            pairs, batch_size=BATCH, activation_fn=torch.nn.Identity(), show_progress_bar=False
        )
        return _by_query(tasks, [float(one) for one in odds])

    return score


def _official(model: Model) -> Score:
    """The model card's code, a batch at a time."""

    def score_query(query: str, texts: Sequence[str]) -> list[float]:
        prompts = model.official.prompts(query, texts)
        batches = [prompts[first : first + BATCH] for first in range(0, len(prompts), BATCH)]
        # not `score`, which takes three at a time
        return [_odds(p) for batch in batches for p in model.official._scores(batch)]  # noqa: SLF001

    return lambda tasks: [score_query(*task) for task in tasks]


def _vllm(model: Model) -> Score:
    """The model card's vLLM recipe: a pooling model, prefix caching, templated texts."""
    if find_spec("vllm") is None:
        raise ImportError("vLLM is not installed")
    from vllm import LLM

    overrides = {
        "architectures": ["Qwen3ForSequenceClassification"],
        "classifier_from_token": ["no", "yes"],
        "is_original_qwen3_reranker": True,
    }
    llm = LLM(
        str(model.folder), runner="pooling", dtype=str(model.dtype).removeprefix("torch."),
        hf_overrides=overrides, enable_prefix_caching=True, gpu_memory_utilization=0.4,
        max_model_len=8192,
    )  # fmt: skip

    def score(tasks: Sequence[Task]) -> list[list[float]]:
        return [_odds_of(llm, query, texts) for query, texts in tasks]

    return score


def _odds_of(llm: Any, query: str, texts: Sequence[str]) -> list[float]:
    asked = f"{PREFIX}<Instruct>: {TASK}\n<Query>: {query}\n"
    given = [f"<Document>: {text}{SUFFIX}" for text in texts]
    return [_odds(output.outputs.score) for output in llm.score(asked, given, use_tqdm=False)]


def _odds(probability: float) -> float:
    return math.log(probability / (1 - probability)) if 0 < probability < 1 else math.nan


def _by_query(tasks: Sequence[Task], odds: list[float]) -> list[list[float]]:
    rest = iter(odds)
    return [[next(rest) for _ in texts] for _, texts in tasks]
