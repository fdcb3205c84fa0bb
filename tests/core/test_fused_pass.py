"""The passes of a GPU give the official scores; here on a CPU, over a plain attention."""

from __future__ import annotations

import random
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from qwen_rerank.scorers.local import engine as engine_module
from qwen_rerank.scorers.local.gpu import fused_model, graphs, steps
from qwen_rerank.scorers.local.gpu.fused_model import FusedModel
from qwen_rerank.scorers.local.gpu.layout import Layout
from qwen_rerank.scorers.local.gpu.varlen import Bounds
from tests.core.test_engine import MANY, Plainly, close, load_engine, make_engine, query
from tests.qwen3.models import save_causal, save_qwen2


def plain_attention(
    query: Tensor, keys: Tensor, values: Tensor, bounds: Bounds, scaling: float
) -> Tensor:
    """What the kernel does by its documentation, segment by segment."""
    seen = torch.full_like(query, torch.nan)  # of rows in no segment
    spans = zip(pairwise(bounds.rows.tolist()), pairwise(bounds.keys.tolist()), strict=True)
    for (first, end), (first_key, end_key) in spans:
        rows, width = end - first, end_key - first_key
        assert rows <= bounds.most_rows
        assert width <= bounds.most_keys
        mask = torch.ones(rows, width, dtype=torch.bool).tril(width - rows)
        parts = (query[first:end], keys[first_key:end_key], values[first_key:end_key])
        q, k, v = (part.transpose(0, 1) for part in parts)
        if rows:
            done = nn.functional.scaled_dot_product_attention(
                q, k, v, mask, scale=scaling, enable_gqa=True
            )
            seen[first:end] = done.transpose(0, 1)
    return seen


class Rerun:
    """A graph's contract: the same shape and memory over other numbers."""

    made = 0

    def __init__(
        self, model: FusedModel, layout: Layout, earlier: Tensor, new: Tensor, _: Any
    ) -> None:
        self.run = lambda numbers: model(numbers, earlier, new, layout.shape)
        type(self).made += 1

    def __call__(self, numbers: Tensor) -> Tensor:
        return self.run(numbers)


@pytest.fixture(autouse=True)
def fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines on a CPU run a GPU's passes."""
    monkeypatch.setattr(engine_module, "fuses", lambda *_: True)
    monkeypatch.setattr(fused_model, "varlen_attention", plain_attention)
    monkeypatch.setattr(fused_model, "compiled_steps", lambda *_: steps.EAGER)
    monkeypatch.setattr(graphs, "Graph", Rerun)
    monkeypatch.setattr(graphs.Memory, "on", lambda _: None)
    monkeypatch.setattr(Rerun, "made", 0)


@pytest.fixture(scope="module")
def plainly(tiny_model: Path) -> Plainly:
    return Plainly(tiny_model)


@pytest.mark.parametrize("graph_tokens", [0, 4096])
@pytest.mark.parametrize("budget", [1, 200, 517, 100_000])
def test_any_budget(
    tiny_model: Path,
    plainly: Plainly,
    monkeypatch: pytest.MonkeyPatch,
    budget: int,
    graph_tokens: int,
) -> None:
    monkeypatch.setattr(graphs, "GRAPH_TOKENS", graph_tokens)
    engine = make_engine(tiny_model, budget)
    truth = plainly(MANY)
    for _ in range(3):
        close(engine.log_odds(MANY), truth)
        close(engine.log_odds(MANY[::-1]), truth[::-1])
    assert bool(Rerun.made) == bool(graph_tokens)


def test_queries_of_all_sizes_share_graphs(tiny_model: Path, plainly: Plainly) -> None:
    engine, dice = make_engine(tiny_model, 900), random.Random(3)
    for _ in range(12):
        asked = [query(dice.randrange(3), *dice.choices(range(1, 60), k=dice.randrange(1, 9)))]
        close(engine.log_odds(asked), plainly(asked))
    assert 1 <= Rerun.made <= 6


def test_few_shapes_are_remembered(
    tiny_model: Path, plainly: Plainly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MOST", 1)
    engine = make_engine(tiny_model)
    for _ in range(2):
        for asked in ([query(0, 10)], [query(1, 900)]):
            close(engine.log_odds(asked), plainly(asked))
    assert not Rerun.made, "each shape drove the other out"


def test_a_gpu_without_graphs_goes_on(
    tiny_model: Path,
    plainly: Plainly,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(graphs, "Graph", fail)
    engine = make_engine(tiny_model)
    for _ in range(3):
        close(engine.log_odds(MANY), plainly(MANY))
    [record] = caplog.records
    assert record.getMessage().endswith("operation not permitted when stream is capturing")


def test_a_machine_that_cannot_compile_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("Cannot find a working triton installation")

    monkeypatch.setattr(torch, "compile", lambda _: fail)
    steps._warn.cache_clear()  # noqa: SLF001 - as in a new process
    norm, heads = torch.ones(8), steps.Heads(None, None, 1e-6, 2, 1)
    for _ in range(2):
        assert steps.compiled_steps(norm, heads, 4, 12) == steps.EAGER
    [record] = caplog.records
    assert "Cannot find a working triton installation" in record.getMessage()


def test_nothing_is_compiled_after_loading(
    tiny_model: Path, plainly: Plainly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    monkeypatch.setattr(fused_model, "compiled_steps", steps.compiled_steps)
    engine = make_engine(tiny_model, 300)
    with torch.compiler.set_stance("fail_on_recompile"):
        for asked in (MANY, MANY[:1], [query(0, 1)], [query(1, 3, 5, 500)]):
            close(engine.log_odds(asked), plainly(asked))


@pytest.mark.parametrize("shape", [{"num_key_value_heads": 1}, {"num_hidden_layers": 1}], ids=str)
def test_other_shapes(tmp_path: Path, qwen3_tokenizer: Tokenizer, shape: dict[str, Any]) -> None:
    folder = save_causal(tmp_path, qwen3_tokenizer, **shape)
    close(make_engine(folder, 256).log_odds(MANY), Plainly(folder)(MANY))


def test_qwen2(tmp_path: Path, qwen3_tokenizer: Tokenizer) -> None:
    folder = save_qwen2(tmp_path, qwen3_tokenizer)
    close(make_engine(folder, 256).log_odds(MANY), Plainly(folder)(MANY))


def test_joined_weights_are_held_once(tiny_model: Path) -> None:
    _, backbone = load_engine(tiny_model)
    attention = backbone.layers[0].self_attn
    storages = {
        p.weight.untyped_storage().data_ptr()
        for p in (attention.q_proj, attention.k_proj, attention.v_proj)
    }
    assert len(storages) == 1
