"""int8 and bf16 on a CPU keep the ranking, whatever the processor can do."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from examples.support.cases import read_cases
from qwen_rerank import ConfigError, CrossEncoderScorer, LocalScorer
from qwen_rerank.cli.main import main
from qwen_rerank.evaluation.agreement import Agreement, agreement, kendall_tau
from qwen_rerank.scorers.local import attention, checkpoint
from qwen_rerank.scorers.local.cpu import bf16_attention, low_precision
from qwen_rerank.scorers.local.device import choose_dtype
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER
from qwen_rerank.scorers.local.model_folder import read_tokenizer
from tests.qwen3.models import save_qwen2, save_qwen3_5

LOW = ["int8", "bfloat16"]
CPU = torch.device("cpu")
ROUNDING = 0.01
"""Of a score: int8 codes flip where fp32 sums round otherwise."""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of random weights that is wide enough, with the built-in model's tokenizer."""
    folder = shutil.copytree(BUILTIN_FOLDER, tmp_path_factory.mktemp("wide") / "model")
    config: Any = Qwen3Config.from_pretrained(folder)
    config.hidden_size, config.intermediate_size, config.num_key_value_heads = 512, 1024, 2
    torch.manual_seed(5)
    model: Any = Qwen3ForCausalLM(config)
    model.to(torch.bfloat16).save_pretrained(folder)
    return str(folder)


def scorer(dtype: str, model: str) -> LocalScorer:
    return LocalScorer(model, device="cpu", dtype=dtype)


def found(dtype: str, model: str) -> list[Agreement]:
    """With the fp32 ranking of real texts."""
    low = scorer(dtype, model)
    pairs = zip(read_cases(), exact_scores(model), strict=True)
    return [agreement(exact, low.score(case.query, case.documents)) for case, exact in pairs]


@cache
def exact_scores(model: str) -> list[list[float]]:
    """In fp32, of each case."""
    exact = scorer("float32", model)
    return [exact.score(case.query, case.documents) for case in read_cases()]


@pytest.mark.parametrize("dtype", LOW)
def test_the_ranking_is_kept(wide: str, dtype: str) -> None:
    agreements = found(dtype, wide)
    assert len(agreements) == 10
    assert sum(one.tau for one in agreements) / 10 >= 0.9
    assert 1e-6 < max(one.largest for one in agreements) < 0.05


@pytest.mark.parametrize("dtype", LOW)
def test_narrow_models_stay_exact(dtype: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert max(one.largest for one in found(dtype, "builtin")) < 1e-5
    assert "layers of width 384 stay in fp32" in caplog.text


@pytest.mark.parametrize("dtype", LOW)
def test_packs_and_shared_prefixes_change_nothing(wide: str, dtype: str) -> None:
    case = read_cases()[0]
    low = scorer(dtype, wide)
    together = low.score(case.query, case.documents)
    alone = [low.score(case.query, [document])[0] for document in case.documents]
    assert together == pytest.approx(alone, abs=ROUNDING)


def test_fused_attention_does_what_blocks_do(wide: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel for bf16, here in fp32, over more than one block of rows."""
    case, exact = read_cases()[0], scorer("float32", wide)
    blocks = exact.score(case.query, case.documents)
    monkeypatch.setattr(bf16_attention, "ROWS", 16)
    monkeypatch.setattr(attention, "_blockwise", bf16_attention.fused)
    assert exact.score(case.query, case.documents) == pytest.approx(blocks, abs=1e-5)
    assert exact.score(case.query[:-1], case.documents) != pytest.approx(blocks, abs=1e-5)


def test_a_token_of_huge_values_costs_the_other_documents_nothing(
    wide: str, tmp_path: Path
) -> None:
    """Each row has a scale of its own."""
    folder = shutil.copytree(wide, tmp_path / "model")
    token = read_tokenizer(folder).encode("zebra", add_special_tokens=False).ids[-1]
    tensors = load_file(folder / "model.safetensors")
    tensors["model.embed_tokens.weight"][token] *= 1000
    save_file(tensors, folder / "model.safetensors")
    case, low = read_cases()[0], scorer("int8", str(folder))
    plain = low.score(case.query, case.documents)
    beside = low.score(case.query, [*case.documents, "a zebra at the zoo"])
    assert beside[:-1] == pytest.approx(plain, abs=ROUNDING)


def test_a_row_of_huge_values_leaves_the_others_as_they_are() -> None:
    torch.manual_seed(3)
    linear = low_precision.Int8Linear(torch.randn(24, 48))
    rows = torch.randn(16, 48)
    alone = linear(rows)
    rows[5] *= 1e6
    together = linear(rows)
    others = [place for place in range(16) if place != 5]
    assert torch.equal(together[others], alone[others])
    assert torch.allclose(together[5], alone[5] * 1e6, rtol=1e-5)


@pytest.mark.parametrize("save", [save_qwen2, save_qwen3_5])
def test_layers_of_other_kinds(
    tmp_path: Path,
    qwen3_tokenizer: Tokenizer,
    save: Callable[[Path, Tokenizer], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "NARROW", 1)
    folder = str(save(tmp_path, qwen3_tokenizer))
    documents = [" ".join(["some words"] * length) for length in (1, 3, 9, 27)]
    exact = scorer("float32", folder).score("words", documents)
    for dtype in LOW:
        low = scorer(dtype, folder).score("words", documents)
        assert low == pytest.approx(exact, abs=0.1)
        assert low != pytest.approx(exact, abs=1e-6)


@pytest.fixture
def in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor that lacks the instructions."""
    monkeypatch.setattr(low_precision, "has_int8", lambda: False)
    monkeypatch.setattr(low_precision, "has_bf16", lambda: False)


@pytest.mark.skipif(not low_precision.has_int8(), reason="the processor has no VNNI or AMX")
def test_int8_products_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(4)
    weight, rows = torch.randn(64, 3072), torch.randn(16, 3072)
    fast = low_precision.Int8Linear(weight)(rows)
    monkeypatch.setattr(low_precision, "has_int8", lambda: False)
    assert torch.allclose(low_precision.Int8Linear(weight)(rows), fast, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.usefixtures("in_fp32")
def test_a_processor_without_the_instructions_is_named(
    wide: str, tmp_path: Path, dtype: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(wide, tmp_path / "model")  # which no other test has loaded
    with caplog.at_level(logging.WARNING):
        scorer(dtype, str(folder)).load()
    assert "this processor has no" in caplog.text
    assert (
        "are multiplied in fp32, which takes less memory than float32 but is no faster"
        in caplog.text
    )


def test_a_gpu_has_no_int8() -> None:
    with pytest.raises(ConfigError, match="for CPUs, the device is cuda:0: use 'bfloat16'"):
        choose_dtype("int8", torch.device("cuda:0"))


def test_int8_and_what_it_does_not_go_with(tiny_model: Path) -> None:
    with pytest.raises(ConfigError, match="not for BAAI/bge"):
        CrossEncoderScorer("BAAI/bge-reranker-base", dtype="int8")
    with pytest.raises(ConfigError, match="compiled=True"):
        LocalScorer(str(tiny_model), device="cpu", dtype="int8", compiled=True).load()


def test_int8_takes_less_than_half_of_the_memory(wide: str) -> None:
    folder = Path(wide)
    tokenizer = read_tokenizer(folder)
    full, low = (
        _bytes(checkpoint.read_checkpoint(folder, tokenizer, (1, 2), CPU, dtype).backbone)
        for dtype in (torch.float32, torch.int8)
    )
    assert low < 0.45 * full


@pytest.mark.usefixtures("in_fp32")
def test_doctor_says_what_a_compared_format_uses_instead(
    wide: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "documents.txt").write_text("a refund takes five days\nwe ship on Monday")
    command = ["doctor", "--model", wide, "--device", "cpu", "--compare", "int8"]
    assert (
        main([*command, "--query", "refund", "--documents", str(tmp_path / "documents.txt")]) == 0
    )
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["products"].startswith("int8: this processor has no VNNI or AMX, so int8 numbers")


def test_doctor_compares_number_formats(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "NARROW", 1)
    case = read_cases()[0]
    file = folder.parent / "documents.txt"
    file.write_text("\n".join(case.documents), encoding="utf-8")
    command = ["doctor", "--model", str(folder), "--device", "cpu", "--compare", "int8"]
    assert main([*command, "--query", case.query, "--documents", str(file)]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["compare"] == "int8 against float32, 10 documents"
    assert lines["log-odds"].startswith("differ by ")
    assert main(command) == 1
    assert "--compare needs --query and --documents" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scores", "others", "tau"),
    [
        ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7], 1),
        ([0.1, 0.2, 0.3], [0.7, 0.6, 0.5], -1),
        ([0.1, 0.2, 0.3], [0.5, 0.7, 0.6], 1 / 3),
        ([0.1, 0.1, 0.3], [0.5, 0.6, 0.7], 2 / math.sqrt(6)),
    ],
)
def test_kendalls_tau(scores: Sequence[float], others: Sequence[float], tau: float) -> None:
    assert kendall_tau(scores, others) == pytest.approx(tau)


def _bytes(backbone: nn.Module) -> int:
    """Of all tensors that modules hold, packed ones included."""
    held = {
        value.data_ptr() if value.layout is torch.strided else id(value): value
        for module in backbone.modules()
        for value in [*vars(module).values(), *module.parameters(recurse=False)]
        if isinstance(value, Tensor)
    }
    return sum(one.numel() * one.element_size() for one in held.values())
