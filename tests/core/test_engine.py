"""The engine gives the official scores however documents are cut into passes."""

from __future__ import annotations

import contextvars
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from torch import Tensor

from qwen_rerank import QWEN3, LocalScorer, RerankRequest, ScorerError, Scores
from qwen_rerank.call import BatchReport, Call
from qwen_rerank.scorers.local.checkpoint import read_checkpoint
from qwen_rerank.scorers.local.compiled import compile_layers
from qwen_rerank.scorers.local.cpu import packed_linear
from qwen_rerank.scorers.local.encoder import EncodedQuery, PromptEncoder
from qwen_rerank.scorers.local.engine import Engine
from qwen_rerank.scorers.local.gpu import graphs
from qwen_rerank.scorers.local.gpu.varlen import has_varlen
from qwen_rerank.scorers.local.model_folder import read_tokenizer
from qwen_rerank.scorers.local.queued_query import DocumentOdds
from tests.qwen3.models import save_causal
from tests.qwen3.official import OfficialReranker

ANSWERS = (9693, 2152)
PATIENCE = 120  # seconds for what takes less than one
HEADS = [list(range(100, 170)), [*range(100, 160), *range(300, 309)], list(range(700, 905))]


def make_engine(
    folder: Path, budget: int | None = None, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Engine:
    return load_engine(folder, budget, device, dtype)[0]


def load_engine(
    folder: Path, budget: int | None = None, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Engine, Any]:
    """The engine, and the backbone that it runs."""
    tokenizer = read_tokenizer(folder)
    checkpoint = read_checkpoint(folder, tokenizer, ANSWERS, torch.device(device), dtype)
    return Engine(checkpoint, budget), checkpoint.backbone


def query(head: int, *lengths: int) -> EncodedQuery:
    """Tokens that look like nothing, the same for the same arguments."""
    dice = random.Random(head)
    tails = [[dice.randrange(150000) for _ in range(length)] for length in lengths]
    return EncodedQuery(HEADS[head], tails, frozenset())


class Plainly:
    """Prompt by prompt through an unchanged model: what every packing must equal."""

    def __init__(self, folder: Path) -> None:
        self.model = OfficialReranker(folder).model
        self.known: dict[tuple[int, ...], float] = {}

    def __call__(self, queries: list[EncodedQuery]) -> list[list[float]]:
        return [[self._odds(q.prefix + ids) for ids in q.documents] for q in queries]

    def _odds(self, prompt: list[int]) -> float:
        if tuple(prompt) not in self.known:
            with torch.inference_mode():
                logits = self.model(torch.tensor([prompt])).logits[0, -1]
            self.known[tuple(prompt)] = float(logits[ANSWERS[0]] - logits[ANSWERS[1]])
        return self.known[tuple(prompt)]


@pytest.fixture(scope="module")
def plainly(tiny_model: Path) -> Plainly:
    return Plainly(tiny_model)


def close(given: Sequence[Sequence[DocumentOdds] | ScorerError], truth: list[list[float]]) -> None:
    ours = [odds for odds in given if not isinstance(odds, ScorerError)]
    assert len(ours) == len(given), given
    assert [len(odds) for odds in ours] == [len(odds) for odds in truth]
    for mine, theirs in zip(chain(*ours), chain(*truth), strict=True):
        assert isinstance(mine, float), mine
        assert sigmoid(mine) == pytest.approx(sigmoid(theirs), abs=1e-5)


def numbers(odds: Sequence[DocumentOdds] | ScorerError) -> list[float]:
    assert not isinstance(odds, ScorerError)
    return [one for one in odds if isinstance(one, float)]


def sigmoid(odds: float) -> float:
    return float(torch.tensor(odds, dtype=torch.float64).sigmoid())


MANY = [
    query(0, 10, 70, 9, 130),
    query(1, 64, 65, 1),
    query(2),
    query(2, 300, 63, 128),
    query(0, 40),
]


@pytest.mark.parametrize("budget", [1, 64, 200, 517, 100_000])
def test_any_budget_and_several_queries(tiny_model: Path, plainly: Plainly, budget: int) -> None:
    engine = make_engine(tiny_model, budget)
    truth = plainly(MANY)
    close(engine.log_odds(MANY), truth)
    close(engine.log_odds(MANY[::-1]), truth[::-1])  # heads from before are there now
    flat = [odds for of_query in truth for odds in of_query]
    assert max(map(sigmoid, flat)) - min(map(sigmoid, flat)) > 0.3, "too alike to show a mistake"


@settings(max_examples=25, deadline=None)
@given(
    budget=st.sampled_from([1, 40, 64, 131, 300, 517, 700]),
    asked=st.lists(
        st.tuples(
            st.integers(0, 2), st.lists(st.sampled_from([1, 9, 63, 64, 65, 130]), max_size=5)
        ),
        max_size=4,
    ),
)
def test_any_batch_split(
    tiny_model: Path, plainly: Plainly, budget: int, asked: list[tuple[int, list[int]]]
) -> None:
    engine = make_engine_once(tiny_model, budget)
    queries = [query(head, *lengths) for head, lengths in asked]
    close(engine.log_odds(queries), plainly(queries))


_engines: dict[int, Engine] = {}


def make_engine_once(folder: Path, budget: int) -> Engine:
    """One for all examples, as a process has it: what it keeps must not disturb the next."""
    return _engines.setdefault(budget, make_engine(folder, budget))


@pytest.mark.parametrize(
    "shape",
    [
        {"tied": False},
        {"num_key_value_heads": 4},
        {"num_key_value_heads": 1},
        {"num_hidden_layers": 1},
    ],
    ids=lambda shape: "-".join(map(str, *shape.items())),
)
def test_other_shapes(tmp_path: Path, qwen3_tokenizer: Tokenizer, shape: dict[str, Any]) -> None:
    folder = save_causal(tmp_path, qwen3_tokenizer, **shape)
    close(make_engine(folder, 256).log_odds(MANY), Plainly(folder)(MANY))


def test_a_head_is_passed_once_and_shared_words_never_again(
    tiny_model: Path, processor: str
) -> None:
    engine, backbone = load_engine(tiny_model, 100)
    lengths = passed_tokens(backbone)
    first, second = query(0, 90, 90, 90), query(1, 30)
    engine.log_odds([first])
    assert sum(lengths) == len(first.prefix) + 270
    lengths.clear()
    engine.log_odds([second])
    assert sum(lengths) == len(second.prefix) - 60 + 30, "the heads share 60 tokens"


@pytest.mark.parametrize("seed", [1, 2])
def test_no_pass_is_larger_than_the_budget(tiny_model: Path, seed: int, processor: str) -> None:
    engine, backbone = load_engine(tiny_model, 400)
    lengths = passed_tokens(backbone)
    dice = random.Random(seed)
    engine.log_odds([query(0, *(dice.randrange(10, 300) for _ in range(60)))])
    assert max(lengths) <= 400
    assert len(lengths) > 10


def passed_tokens(backbone: Any) -> list[int]:
    """Grows by the number of tokens of each pass from now on."""
    lengths: list[int] = []

    def note(module: Any, args: Any, kwargs: Any) -> None:
        lengths.append(kwargs["input_ids"].numel())

    backbone.register_forward_pre_hook(note, with_kwargs=True)
    return lengths


def test_a_failing_listener_costs_nobody_a_score(
    tiny_model: Path, plainly: Plainly, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: BatchReport) -> None:
        raise RuntimeError("the loop is closed")

    engine = make_engine(tiny_model, 256)
    with Call(on_batch=fail).active():
        close(engine.log_odds(MANY), plainly(MANY))
    close(engine.log_odds(MANY[:2]), plainly(MANY[:2]))
    assert "the loop is closed" in caplog.text


def test_no_caller_waits_for_ever_when_no_thread_can_start(
    tiny_model: Path, plainly: Plainly, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    engine = make_engine(tiny_model, 256)
    with monkeypatch.context() as patch:
        patch.setattr("qwen_rerank.scorers.local.engine.start_on_device_thread", fail)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="can't start"):
                engine.log_odds(MANY)
    close(engine.log_odds(MANY[:2]), plainly(MANY[:2]))


def test_a_broken_pass_fails_its_queries_and_no_others(tiny_model: Path, plainly: Plainly) -> None:
    engine, backbone = load_engine(tiny_model, 256)
    scarce = Scarce(backbone, 10_000)
    scarce.broken = True
    with pytest.raises(ZeroDivisionError):
        engine.log_odds(MANY)
    scarce.broken = False
    close(engine.log_odds(MANY), plainly(MANY))


def test_a_cancelled_call_leaves_the_queue_and_no_trace(tiny_model: Path) -> None:
    engine, backbone = load_engine(tiny_model, 100)
    inside, goes_on = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        inside.set()
        assert goes_on.wait(PATIENCE)

    handle = backbone.register_forward_pre_hook(wait)
    call, lengths = Call(), passed_tokens(backbone)
    with call.active(), ThreadPoolExecutor(1) as pool:
        running = pool.submit(contextvars.copy_context().run, engine.log_odds, MANY)
        assert inside.wait(PATIENCE)
        call.cancel()
        with pytest.raises(CancelledError):
            running.result(PATIENCE)
        goes_on.set()
    handle.remove()
    engine.log_odds(MANY[:1])
    assert len(lengths) <= 6, "the cancelled documents were scored"


def test_queries_are_scored_while_others_are_made(tiny_model: Path, plainly: Plainly) -> None:
    engine, backbone = load_engine(tiny_model, 256)
    began = threading.Event()
    backbone.register_forward_pre_hook(lambda *_: began.set())

    def made() -> Iterator[EncodedQuery]:
        yield MANY[0]
        assert began.wait(PATIENCE)
        yield from MANY[1:]

    close(engine.log_odds(made()), plainly(MANY))


def test_a_query_that_cannot_be_made_takes_the_others_along(tiny_model: Path) -> None:
    engine, backbone = load_engine(tiny_model, 100)
    lengths = passed_tokens(backbone)

    def made() -> Iterator[EncodedQuery]:
        yield query(2, *[90] * 50)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        engine.log_odds(made())
    engine.log_odds(MANY[:1])
    assert len(lengths) <= 10, "documents that nobody waits for were scored"


def test_threads_share_an_engine(tiny_model: Path, plainly: Plainly) -> None:
    engine = make_engine(tiny_model, 256)
    truth = plainly(MANY)
    found: list[list[list[DocumentOdds] | ScorerError]] = []

    def ask() -> None:
        found.extend(engine.log_odds(MANY) for _ in range(3))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)  # a daemon that waits for ever holds nobody up
    assert len(found) == 24
    for ours in found:
        close(ours, truth)


MAKERS = {"Intel": "GenuineIntel", "AMD": "AuthenticAMD"}


@pytest.fixture
def processor(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """As far as the engine knows: its maker, and what torch found it to be capable of."""
    name: str = getattr(request, "param", "Intel with AVX512")
    maker, capability = name.split(" with ")
    (tmp_path / "cpuinfo").write_text(f"vendor_id : {MAKERS[maker]}\n")
    monkeypatch.setattr(packed_linear, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    packed_linear.packing_pays.cache_clear()
    yield name
    packed_linear.packing_pays.cache_clear()


@pytest.mark.parametrize(
    "processor", ["Intel with AVX512", "AMD with AVX2", "AMD with AVX512"], indirect=True
)
def test_every_processor_gives_the_same_scores(
    tiny_model: Path, plainly: Plainly, processor: str
) -> None:
    engine, backbone = load_engine(tiny_model, 517)
    packed = sum(isinstance(m, packed_linear.PackedLinear) for m in backbone.modules())
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    assert bool(packed) == (both and processor == "AMD with AVX512")
    close(engine.log_odds(MANY), plainly(MANY))


@pytest.mark.parametrize("processor", ["AMD with AVX512"], indirect=True)
def test_packed_products_meet_few_numbers_of_rows(tiny_model: Path, processor: str) -> None:
    if not packed_linear.packing_pays():
        pytest.skip("this torch comes without MKL or oneDNN")
    engine, backbone = load_engine(tiny_model, 768)
    rows: set[int] = set()
    for module in backbone.modules():
        if isinstance(module, packed_linear.PackedLinear):
            module.register_forward_pre_hook(lambda _, given: rows.add(given[0].shape[1]))
    for length in range(1, 600, 7):
        engine.log_odds([query(0, length, *[9] * (length % 40))])
    assert 5 < len(rows) <= 28
    assert max(rows) <= 768


@pytest.mark.skipif(not shutil.which("c++"), reason="compiling needs a C++ compiler: c++")
def test_a_compiled_model_gives_the_same_scores(tiny_model: Path) -> None:
    documents = [" ".join(["some words"] * length) for length in range(1, 40)]
    plain = LocalScorer(str(tiny_model), device="cpu").score("words", documents)
    compiled = LocalScorer(str(tiny_model), device="cpu", compiled=True)
    assert compiled.score("words", documents) == pytest.approx(plain, abs=1e-5)


@pytest.mark.skipif(not shutil.which("c++"), reason="compiling needs a C++ compiler: c++")
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_packed_products_can_be_compiled_around(
    tiny_model: Path, plainly: Plainly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_linear, "packing_pays", lambda: True)
    engine, backbone = load_engine(tiny_model, 256)
    compile_layers(backbone, lambda: engine.log_odds(MANY[:1]))
    close(engine.log_odds(MANY), plainly(MANY))


def test_a_machine_that_cannot_compile_is_told_so(tiny_model: Path, tmp_path: Path) -> None:
    code = (
        "from qwen_rerank import LocalScorer\n"
        f"LocalScorer({str(tiny_model)!r}, device='cpu', compiled=True).score('a', ['b'])"
    )
    nothing = {"CXX": "/no/such/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **nothing},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ConfigError: compiled=True does not work on this machine" in done.stderr


class Scarce:
    """A backbone's forward that has no memory for more than some tokens."""

    def __init__(self, backbone: Any, most: int) -> None:
        self.most = most
        self.forward = backbone.forward
        backbone.forward = self

    broken = False

    def __call__(self, *, input_ids: Tensor, **kwargs: Any) -> Any:
        if self.broken:
            raise ZeroDivisionError
        if input_ids.numel() > self.most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return self.forward(input_ids=input_ids, **kwargs)


def test_out_of_memory_halves_the_pass(tiny_model: Path, plainly: Plainly, processor: str) -> None:
    engine, backbone = load_engine(tiny_model, 100_000)
    lengths = passed_tokens(backbone)
    Scarce(backbone, 600)
    close(engine.log_odds(MANY), plainly(MANY))
    assert max(lengths) > 600, "the first pass holds everything"
    lengths.clear()
    close(engine.log_odds(MANY), plainly(MANY))
    assert max(lengths) <= 600, "the next call knows what fits"


def test_memory_that_runs_out_between_layers_leaves_no_trace(
    tiny_model: Path, plainly: Plainly, processor: str
) -> None:
    engine, backbone = load_engine(tiny_model, 100_000)

    def scarce(_: Any, given: tuple[Tensor, ...]) -> None:
        if given[0].shape[1] > 310:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    backbone.layers[1].register_forward_pre_hook(scarce)
    close(engine.log_odds(MANY), plainly(MANY))


def test_a_document_that_needs_too_much_memory_fails_alone(
    tiny_model: Path, plainly: Plainly, processor: str
) -> None:
    engine, backbone = load_engine(tiny_model, 100_000)
    Scarce(backbone, 299)
    with ThreadPoolExecutor(2) as pool:
        bad = pool.submit(engine.log_odds, [query(2, 300, 63)])
        good = pool.submit(engine.log_odds, MANY[:2])
        [odds] = bad.result()
        assert not isinstance(odds, ScorerError)
        large, small = odds
        assert isinstance(large, ScorerError)
        assert "505 tokens" in str(large)
        close([[small]], [[plainly([query(2, 300, 63)])[0][1]]])
        close(good.result(), plainly(MANY[:2]))


def test_a_query_without_memory_for_its_prefix_fails_alone(
    tiny_model: Path, plainly: Plainly, processor: str
) -> None:
    """Its prefix has 205 tokens; none of its documents can be scored without it."""
    engine, backbone = load_engine(tiny_model, 100_000)
    Scarce(backbone, 150)
    good = [query(0, 10, 70), query(1, 64)]
    first, bad, last = engine.log_odds([good[0], query(2, 20, 30), good[1]])
    assert isinstance(bad, ScorerError)
    assert "no memory for 205 tokens" in str(bad)
    close([first, last], plainly(good))


def test_prompts_up_to_the_limit_and_beyond(tmp_path: Path, qwen3_tokenizer: Tokenizer) -> None:
    folder = save_causal(tmp_path, qwen3_tokenizer, max_position_embeddings=600)
    documents = ["word " * n for n in (1, 100, 498, 520, 530, 531, 532, 540, 5000)]
    scorer = LocalScorer(str(folder), device="cpu", dtype="float32")
    [outcome] = scorer.score_batch([RerankRequest("q", documents)])
    assert isinstance(outcome, Scores)
    truth = OfficialReranker(folder, max_length=600).score("q", documents)
    assert [d.score for d in outcome.documents] == pytest.approx(truth, abs=1e-5)
    assert outcome.documents[8].truncated


@pytest.fixture
def no_gpu_skips() -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")


@pytest.mark.gpu
@pytest.mark.usefixtures("no_gpu_skips")
def test_gpu_fp32(tiny_model: Path, plainly: Plainly) -> None:
    close(make_engine(tiny_model, device="cuda").log_odds(MANY), plainly(MANY))


@pytest.mark.gpu
@pytest.mark.usefixtures("no_gpu_skips")
@pytest.mark.parametrize("budget", [200, 16384])
def test_gpu_bf16_ranks_as_fp32(tiny_model: Path, plainly: Plainly, budget: int) -> None:
    lengths = [random.Random(budget).randrange(5, 400) for _ in range(60)]
    asked = [query(0, *lengths), query(1, *lengths)]
    ours = make_engine(tiny_model, budget, "cuda", torch.bfloat16).log_odds(asked)
    for mine, truth in zip(ours, plainly(asked), strict=True):
        assert kendall(numbers(mine), truth) >= 0.95, "the tiny model is coarser than a true one"


@pytest.mark.gpu
@pytest.mark.usefixtures("no_gpu_skips")
@pytest.mark.parametrize("graph_tokens", [0, 4096])
def test_gpu_passes_give_what_the_unfused_model_gives(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    graph_tokens: int,
) -> None:
    if not has_varlen(torch.device("cuda"), torch.bfloat16):
        pytest.skip("this torch or this GPU lacks the variable-length kernel")
    monkeypatch.setattr(graphs, "GRAPH_TOKENS", graph_tokens)
    fused = make_engine(tiny_model, 517, "cuda", torch.bfloat16)
    monkeypatch.setattr("qwen_rerank.scorers.local.engine.fuses", lambda *_: False)
    plain = make_engine(tiny_model, 517, "cuda", torch.bfloat16)
    truth = [sigmoid(one) for odds in plain.log_odds(MANY) for one in numbers(odds)]
    for _ in range(3):  # each shape comes for the first time, is recorded, and replayed
        found = [sigmoid(one) for odds in fused.log_odds(MANY) for one in numbers(odds)]
        assert found == pytest.approx(truth, abs=0.1), "the tiny model is coarse in bf16"
    ours = [r for r in caplog.records if r.name.startswith("qwen_rerank")]
    assert not [r for r in ours if r.levelname == "WARNING"], "not compiled, or without graphs"


def kendall(left: list[float], right: list[float]) -> float:
    pairs = [(i, j) for i in range(len(left)) for j in range(i)]
    agree = sum((left[i] - left[j]) * (right[i] - right[j]) > 0 for i, j in pairs)
    return 2 * agree / len(pairs) - 1


def test_the_encoder_feeds_the_engine(tiny_model: Path, qwen3_tokenizer: Tokenizer) -> None:
    encoder = PromptEncoder(qwen3_tokenizer, QWEN3, 4096)
    encoded = [
        encoder.encode(RerankRequest(q, ["a", "some words", ""])) for q in ("one", "two words")
    ]
    engine = make_engine(tiny_model)
    together = engine.log_odds(encoded)
    alone = [engine.log_odds([e])[0] for e in encoded]
    close(together, [numbers(odds) for odds in alone])
