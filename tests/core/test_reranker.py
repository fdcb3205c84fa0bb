"""`Reranker` and `load`: order, limits, errors."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import os
import pickle
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from qwen_rerank import (
    QWEN3_OFFICIAL,
    AdapterSettings,
    BadScoresError,
    ConfigError,
    InvalidInputError,
    LocalScorer,
    MissingDependencyError,
    ModelLoadError,
    Reranker,
    RerankResult,
    ScorerUnavailableError,
    load,
)
from qwen_rerank.call import Call
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER
from qwen_rerank.testing import FakeScorer
from tests.qwen3.models import save_causal
from tests.qwen3.tokenizer import build_tokenizer
from tests.remote.test_forks import in_a_child

DOCUMENTS = ["b", "a b", "", "b a", "c"]


def test_best_first_ties_in_the_callers_order() -> None:
    results = Reranker(FakeScorer()).rerank("a b", DOCUMENTS)
    assert [(r.index, r.score) for r in results] == [(1, 1), (3, 1), (0, 0.5), (2, 0), (4, 0)]


def test_limits() -> None:
    reranker = Reranker(FakeScorer())
    assert [r.index for r in reranker.rerank("a b", DOCUMENTS, top_n=2)] == [1, 3]
    assert len(reranker.rerank("a b", DOCUMENTS, top_n=99)) == 5
    assert [r.index for r in reranker.rerank("a b", DOCUMENTS, score_threshold=0.5)] == [1, 3, 0]


def test_nothing_in_nothing_out() -> None:
    scorer = FakeScorer()
    assert Reranker(scorer).rerank("a", []) == []
    assert scorer.calls == []


def test_a_calls_instruction_beats_the_rerankers() -> None:
    scorer = FakeScorer()
    reranker = Reranker(scorer, instruction="mine")
    reranker.rerank("a", ["b"])
    reranker.rerank("a", ["b"], instruction="yours")
    assert [call[2] for call in scorer.calls] == ["mine", "yours"]


def test_truncation_is_said_of_each_result(tiny_model: Path) -> None:
    reranker = load(model=str(tiny_model), device="cpu", max_length=120)
    results = reranker.rerank("q", ["short", "long " * 200, "short", "long " * 200])
    assert {r.index for r in results if r.truncated} == {1, 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": ""}, "query must hold a text, it is blank"),
        ({"query": None}, "query must be a text, got NoneType"),
        ({"query": b"bytes"}, "query must be a text, got bytes"),
        ({"documents": "one text"}, "documents must be a list of texts, got str"),
        ({"documents": None}, "documents must be a list of texts, got NoneType"),
        ({"documents": {"a"}}, "documents must be a list of texts, got set"),
        ({"documents": ["a", 7]}, r"documents\[1\] must be a text, got int"),
        ({"instruction": " "}, "instruction must hold a text, it is blank"),
        ({"top_n": 0}, "top_n must be a whole number from 1, or None, got 0"),
        ({"top_n": True}, "top_n must .*, got True"),
        ({"top_n": 2.0}, "top_n must .*, got 2.0"),
        ({"score_threshold": 1.5}, "score_threshold must be between 0 and 1"),
        ({"score_threshold": math.nan}, "score_threshold"),
        ({"score_threshold": True}, "score_threshold must .*, got True"),
    ],
)
def test_wrong_input_is_named_before_any_work(arguments: dict[str, Any], message: str) -> None:
    scorer = FakeScorer()
    with pytest.raises(InvalidInputError, match=message):
        Reranker(scorer, on_error="original_order").rerank(
            **{"query": "a", "documents": ["b"], **arguments}
        )
    assert scorer.calls == []


@pytest.mark.parametrize("score", [math.nan, math.inf, -0.1, 1.1, None, "0.5", True])
def test_a_score_that_is_none_is_an_error(score: Any) -> None:
    with pytest.raises(BadScoresError, match="for 'the bad one'"):
        Reranker(FakeScorer(lambda q, d: score if "bad" in d else 0.5)).rerank(
            "a", ["a", "the bad one"]
        )


def test_a_model_that_computes_nan_is_an_error(tmp_path: Path, qwen3_tokenizer: Tokenizer) -> None:
    folder = save_causal(tmp_path, qwen3_tokenizer)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][:] = math.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    reranker = load(model=str(folder), device="cpu", on_error="raise")
    with pytest.raises(BadScoresError, match="gave NaN or infinity"):
        reranker.rerank("a", ["b"])


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(ConfigError, match="on_error must be one of"):
        Reranker(FakeScorer(), on_error="ignore")  # type: ignore[arg-type]


def test_an_object_in_the_wrong_place_is_not_printed() -> None:
    class Keyed:
        def __repr__(self) -> str:
            return "Keyed('sk-secret')"

    with pytest.raises(ConfigError, match=r"scorer: .*got a Keyed"):
        load(scorer=Keyed())  # type: ignore[arg-type]


def test_a_wrong_count_is_an_error() -> None:
    class Short:
        def score(self, query: str, documents: Any, *, instruction: str | None = None) -> Any:
            return [0.5]

    class Nothing:
        def score(self, query: str, documents: Any, *, instruction: str | None = None) -> Any:
            return None

    with pytest.raises(BadScoresError, match="wanted 2 scores, one per document, got 1"):
        Reranker(Short()).rerank("a", ["a", "b"])
    with pytest.raises(BadScoresError, match="wanted a list of scores, got NoneType"):
        Reranker(Nothing()).rerank("a", ["a", "b"])


def test_an_outage_loses_no_document_and_makes_up_no_score() -> None:
    reranker = Reranker(FakeScorer(error=ScorerUnavailableError("down")), on_error="original_order")
    reason = "ScorerUnavailableError: down"
    assert reranker.rerank("a", ["b", "a"]) == [
        RerankResult(0, None, not_reranked=reason),
        RerankResult(1, None, not_reranked=reason),
    ]


async def test_async_is_the_same() -> None:
    reranker = Reranker(FakeScorer())
    results = await reranker.arerank("a b", DOCUMENTS, top_n=2)
    assert results == reranker.rerank("a b", DOCUMENTS, top_n=2)


def test_a_reranker_pickles() -> None:
    reranker = load(model="builtin", instruction="mine", on_error="raise")
    again = pickle.loads(pickle.dumps(reranker))
    assert repr(again.scorer) == repr(reranker.scorer)
    assert (again.instruction, again.on_error) == ("mine", "raise")


def test_load_takes_settings_by_name_or_as_one_object() -> None:
    whole = load(AdapterSettings(model="builtin", device="cpu"))
    assert repr(whole.scorer) == repr(load(model="builtin", device="cpu").scorer)
    with pytest.raises(ConfigError, match="unknown setting 'devise', did you mean 'device'"):
        load(devise="cpu")  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="either"):
        load(AdapterSettings(), model="builtin")


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_rerank.extras.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r'pip install "\.\[local\]"'):
        load()


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _corrupt_weights(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:1000])


def _corrupt_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _other_architecture(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("Qwen3ForCausalLM", "BertModel"))


def _edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "config.json").read_text()
    assert old in text
    (folder / "config.json").write_text(text.replace(old, new))


def _no_positions(folder: Path) -> None:
    _edit(folder, '"max_position_embeddings": 4096', '"max_position_embeddings": null')


def _sliding_window(folder: Path) -> None:
    _edit(folder, '"use_sliding_window": false', '"use_sliding_window": true')


def _odd_architectures(folder: Path) -> None:
    _edit(folder, '"Qwen3ForCausalLM"', '["Qwen3ForCausalLM"]')


def _odd_width(folder: Path) -> None:
    _edit(folder, '"hidden_size": 48', '"hidden_size": "wide"')


def _smaller_vocabulary(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    save_causal(folder, build_tokenizer(), vocab_size=1000)


def _more_layers_than_weights(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    text = text.replace('"num_hidden_layers": 3', '"num_hidden_layers": 4')
    kinds = '"full_attention",\n    "full_attention"'
    (folder / "config.json").write_text(text.replace(kinds, kinds + ', "full_attention"', 1))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_no_config, "holds no config.json"),
        (_no_tokenizer, "holds no tokenizer.json"),
        (_no_weights, "only safe tensors are read"),
        (_corrupt_weights, "can't be read"),
        (_corrupt_config, "can't be read"),
        (_other_architecture, "names .*BertModel"),
        (_no_positions, "max_position_embeddings must be a whole number"),
        (_odd_architectures, "must name the architecture"),
        (_odd_width, "can't be read"),
        (_sliding_window, "use_sliding_window"),
        (_smaller_vocabulary, "the tokenizer has 151669 tokens, the model 1000"),
        (_more_layers_than_weights, "lack .*layers.3"),
    ],
)
def test_a_folder_that_is_no_model_is_named(
    tiny_model: Path, tmp_path: Path, harm: Any, message: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    harm(folder)
    reranker = load(model=str(folder), device="cpu", on_error="original_order")
    with pytest.raises(ModelLoadError, match=message):
        reranker.rerank("a", ["b"])


def test_the_built_in_model_comes_with_sums_of_all_its_files() -> None:
    lines = (BUILTIN_FOLDER / "SHA256SUMS").read_text().splitlines()
    files = {file.name for file in BUILTIN_FOLDER.iterdir()} - {"SHA256SUMS", "MODEL_CARD.md"}
    assert {line.split()[1] for line in lines} == files
    for line in lines:
        wanted, name = line.split()
        assert hashlib.sha256((BUILTIN_FOLDER / name).read_bytes()).hexdigest() == wanted
    assert load(model="builtin", device="cpu").rerank("a", ["b"])[0].score is not None


def test_a_model_that_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelLoadError, match="neither a folder on this machine, nor a hub id"):
        load(model="./no-such-folder").rerank("a", ["b"])
    monkeypatch.setenv("QWEN_RERANK_HUB", "huggingface")  # offline in tests: no waiting
    with pytest.raises(ModelLoadError, match="no hub may be contacted"):
        load(model="Qwen/No-Such-Model").rerank("a", ["b"])


def test_a_model_is_loaded_once_however_it_is_spelled(
    tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = str(shutil.copytree(tiny_model, tmp_path / "model"))
    scorers = [
        LocalScorer(folder),
        LocalScorer(folder + "/", device="cpu", dtype="fp32"),
        LocalScorer(folder, dtype="float32", max_length=99),
        LocalScorer(folder, device="cpu", prompt=QWEN3_OFFICIAL),
    ]
    with ThreadPoolExecutor() as pool, caplog.at_level(logging.INFO, "qwen_rerank"):
        scores = list(pool.map(lambda scorer: scorer.score("a", ["b"])[0], scorers * 4))
    assert caplog.text.count(f"loaded {folder}") == 1
    assert scores == pytest.approx([scores[0]] * 16)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "mps", "meta"])
def test_a_device_that_is_not_there_is_named(tiny_model: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=f"device .*'{device}'"):
        load(model=str(tiny_model), device=device).rerank("a", ["b"])


@pytest.mark.parametrize(
    "package", ["qwen_rerank", "langchain_qwen_rerank", "llama_index_qwen_rerank"]
)
def test_importing_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print(sorted({{'torch', 'transformers'}} & set(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_cancelled_task_does_not_cancel_its_siblings() -> None:
    goes_on = threading.Event()
    reranker = Reranker(FakeScorer(lambda q, d: float(goes_on.wait(20))))
    with Call().active():
        stays = asyncio.create_task(reranker.arerank("stays", ["a"]))
        leaves = asyncio.create_task(reranker.arerank("leaves", ["a"]))
        await asyncio.sleep(0.05)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        goes_on.set()
        assert [result.score for result in await stays] == [1.0]
        assert len(await reranker.arerank("next", ["a"])) == 1


def test_a_forked_child_has_threads_of_its_own() -> None:
    reranker = Reranker(FakeScorer())
    asyncio.run(reranker.arerank("a", ["a"]))
    assert in_a_child(lambda: len(asyncio.run(reranker.arerank("a", ["a"]))) == 1)


def test_what_is_no_file_is_no_part_of_a_model(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / "folder.json").mkdir()
    (folder / "dangling.json").symlink_to("/nowhere")
    assert LocalScorer(str(folder), "cpu").score("a", ["b"])
