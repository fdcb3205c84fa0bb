"""Encoder rerankers score as sentence-transformers' own CrossEncoder does."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from qwen_rerank import (
    ConfigError,
    CrossEncoderScorer,
    InvalidInputError,
    LocalScorer,
    MissingDependencyError,
    ModelLoadError,
    RerankRequest,
    Scores,
    load,
    load_scorer,
)
from qwen_rerank.settings import ScorerSettings

sentence_transformers = pytest.importorskip("sentence_transformers")

QUERY = "red planet"
DOCUMENTS = ["mars is red", "", "venus is bright", "red " * 100]
WORDS = "[PAD] [UNK] [CLS] [SEP] red planet mars is venus bright".split()
TINY: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.5,
    "pad_token_id": 0,
}


def save(folder: Path, architecture: str, labels: int = 1) -> Path:
    torch.manual_seed(3)
    shape: dict[str, Any] = {**TINY, "num_labels": labels}
    model: Any
    if architecture == "bert":
        model = BertForSequenceClassification(BertConfig(**shape))
    else:
        special: dict[str, Any] = {
            "cls_token_id": 2,
            "sep_token_id": 3,
            "bos_token_id": 2,
            "eos_token_id": 3,
        }
        model = ModernBertForSequenceClassification(ModernBertConfig(**shape, **special))
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel(dict(zip(WORDS, range(99), strict=False)), "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["bert", "modernbert"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("plain-bert"), "bert")


def test_scores_equal_the_cross_encoder(folder: Path) -> None:
    encoder = sentence_transformers.CrossEncoder(str(folder), device="cpu")
    pairs = [(QUERY, document) for document in DOCUMENTS]
    truth = encoder.predict(pairs, activation_fn=torch.nn.Sigmoid()).tolist()
    assert max(truth) - min(truth) > 0.01, "scores this close would hide a mistake"
    [scores] = CrossEncoderScorer(str(folder), "cpu").score_batch([RerankRequest(QUERY, DOCUMENTS)])
    assert isinstance(scores, Scores)
    assert [document.score for document in scores.documents] == pytest.approx(truth, abs=1e-5)
    assert [document.truncated for document in scores.documents] == [False, False, False, True]


def test_logits_become_probabilities_whatever_the_folder_prefers(
    bert: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(bert, tmp_path / "logits")
    config = json.loads((copy / "config.json").read_text())
    prefers = {"activation_fn": "torch.nn.modules.linear.Identity"}
    (copy / "config.json").write_text(json.dumps({**config, "sentence_transformers": prefers}))
    expected = CrossEncoderScorer(str(bert), "cpu").score(QUERY, DOCUMENTS)
    assert CrossEncoderScorer(str(copy), "cpu").score(QUERY, DOCUMENTS) == pytest.approx(expected)


def test_a_folder_of_an_encoder_is_recognised(bert: Path, tiny_model: Path) -> None:
    assert isinstance(load_scorer(settings(bert)), CrossEncoderScorer)
    assert isinstance(load_scorer(settings(tiny_model)), LocalScorer)
    assert isinstance(load_scorer(settings(bert, engine="qwen")), LocalScorer)
    ranking = load(model=str(bert), device="cpu").rerank(QUERY, DOCUMENTS)
    assert sorted(result.index for result in ranking) == [0, 1, 2, 3]


def settings(folder: Path, **more: Any) -> ScorerSettings:
    return ScorerSettings(model=str(folder), device="cpu", cache_ttl=0, **more)


@pytest.mark.parametrize(
    "more", [{"compiled": True}, {"long_documents": "best_window"}, {"prompt": "zerank"}]
)
def test_what_does_not_apply_is_refused_by_name(bert: Path, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(more))} does not apply"):
        load_scorer(settings(bert, engine="sentence-transformers", **more))


def test_settings_are_obeyed(bert: Path) -> None:
    whole, short = (CrossEncoderScorer(str(bert), "cpu", None, n) for n in (64, 8))
    document = "mars is red venus is bright"
    assert whole.score(QUERY, [document]) != short.score(QUERY, [document])
    cut = whole.score(QUERY, ["mars is red"])  # 3 of 8 tokens are left for the document
    assert short.score(QUERY, [document]) == pytest.approx(cut)
    half = CrossEncoderScorer(str(bert), "cpu", "bfloat16")
    assert half.score(QUERY, DOCUMENTS) == pytest.approx(whole.score(QUERY, DOCUMENTS), abs=0.1)
    assert "bfloat16" in half.fingerprint() != whole.fingerprint()
    assert pickle.loads(pickle.dumps(half)) == half


def test_a_query_longer_than_its_document_is_not_cut(bert: Path) -> None:
    scorer = CrossEncoderScorer(str(bert), "cpu")
    query, room = "red planet " * 20, "mars is red " * 7  # 40 and 21 tokens; 3 of 64 separate them
    [whole] = scorer.score(query, [room])
    assert scorer.score(query, [f"{room} venus is bright"]) == pytest.approx([whole])


def test_what_can_not_be_scored_is_named(bert: Path, tiny_model: Path, tmp_path: Path) -> None:
    scorer = CrossEncoderScorer(str(bert), "cpu")
    with pytest.raises(ConfigError, match="takes no instruction"):
        scorer.score(QUERY, DOCUMENTS, instruction="Find planets")
    with pytest.raises(InvalidInputError, match=r"the query takes .* no room"):
        scorer.score("red " * 70, DOCUMENTS)
    with pytest.raises(ModelLoadError, match="a Qwen reranker: use LocalScorer"):
        CrossEncoderScorer(str(tiny_model), "cpu").score(QUERY, DOCUMENTS)
    with pytest.raises(ModelLoadError, match="has 3"):
        CrossEncoderScorer(str(save(tmp_path, "bert", labels=3)), "cpu").score(QUERY, DOCUMENTS)
    with pytest.raises(ModelLoadError, match="engine='sentence-transformers'"):
        LocalScorer(str(bert), "cpu").score(QUERY, DOCUMENTS)
    with pytest.raises(ConfigError, match="device"):
        CrossEncoderScorer(str(bert), "gpu").score(QUERY, DOCUMENTS)


def test_many_threads_share_a_model(bert: Path) -> None:
    scorer = CrossEncoderScorer(str(bert), "cpu")
    with ThreadPoolExecutor() as pool:
        scores = list(pool.map(lambda _: scorer.score(QUERY, DOCUMENTS), range(16)))
    assert all(one == pytest.approx(scores[0]) for one in scores)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_rerank.extras.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"\[sentence-transformers\]"):
        CrossEncoderScorer("x")


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, qwen_rerank; sys.exit('sentence_transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
