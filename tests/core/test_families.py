"""Every family scores as transformers does when each prompt is written and run by itself."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from qwen_rerank import (
    Answer,
    ConfigError,
    LocalScorer,
    ModelLoadError,
    PromptSpec,
    RerankRequest,
    ScorerSettings,
    Scores,
    WindowScorer,
    load,
)
from qwen_rerank.families import CTXL, FAMILIES, PRISM, R3, ZERANK
from qwen_rerank.prompt import QWEN3
from qwen_rerank.scorers.local.encoder import PromptEncoder
from tests.qwen3.models import save_qwen2, save_qwen3_5

QUERY = "What is the capital of China? "
DOCUMENTS = [
    "The capital of China is Beijing.",
    "",
    " leading space, and some at the end \n",
    "\nleading newline",
    "北京是中华人民共和国的首都。",
    "'s 12345 🙂🙂 {braces} {document}",
    "word " * 80,
]
SPECS = {
    **FAMILIES,
    "without a space": PromptSpec("Q:{query}\nD:{document}\nA:"),
    "document last": PromptSpec("{instruction}{{}}: {query} {document}"),
    "line break before the space": PromptSpec("Q:{query}\n {document}\nA:"),
}


class Plainly:
    """Whole prompts as strings, logits over the whole vocabulary, one prompt after another."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def score(self, spec: PromptSpec, query: str, documents: Sequence[str]) -> list[float]:
        return [self._score(spec, spec.text(query, document)) for document in documents]

    def _score(self, spec: PromptSpec, prompt: str) -> float:
        ids = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        logits = self.model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        odds = logits[self.tokenizer.token_to_id(spec.answer.plus)]
        if spec.answer.minus is not None:
            odds = odds - logits[self.tokenizer.token_to_id(spec.answer.minus)]
        return float((odds * spec.answer.scale).sigmoid())


plainly = cache(Plainly)


@pytest.fixture(scope="module")
def qwen2(tmp_path_factory: pytest.TempPathFactory, qwen3_tokenizer: Tokenizer) -> Path:
    return save_qwen2(tmp_path_factory.mktemp("qwen2"), qwen3_tokenizer)


@pytest.fixture(scope="module")
def qwen3_5(tmp_path_factory: pytest.TempPathFactory, qwen3_tokenizer: Tokenizer) -> Path:
    pytest.importorskip("transformers.models.qwen3_5", reason="needs a newer transformers")
    return save_qwen3_5(tmp_path_factory.mktemp("qwen3_5"), qwen3_tokenizer)


@pytest.mark.parametrize(
    ("architecture", "family"),
    [
        *(("tiny_model", name) for name in SPECS),
        *(("qwen2", name) for name in ("qwen3", "ctxl")),
        *(("qwen3_5", name) for name in ("qwen3", "prism", "zerank", "ctxl")),
    ],
)
def test_scores_equal_the_plain_computation(
    request: pytest.FixtureRequest, architecture: str, family: str
) -> None:
    folder, spec = request.getfixturevalue(architecture), SPECS[family]
    scorer = LocalScorer(str(folder), "cpu", "float32", prompt=spec)
    truth = plainly(folder).score(spec, QUERY, DOCUMENTS)
    assert max(truth) - min(truth) > 0.01, "scores this close would hide a mistake"
    assert scorer.score(QUERY, DOCUMENTS) == pytest.approx(truth, abs=1e-5)
    assert scorer.score(QUERY, DOCUMENTS[::-1]) == pytest.approx(truth[::-1], abs=1e-5)
    requests = [RerankRequest(query, DOCUMENTS) for query in (QUERY, "q", QUERY)]
    first, _, last = scorer.score_batch(requests)  # shares passes and prefixes
    for scores in (first, last):
        assert isinstance(scores, Scores)
        assert [d.score for d in scores.documents] == pytest.approx(truth, abs=1e-5)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@given(query=st.text(min_size=1), document=st.text())
@example(query=" ", document="")  # two spaces that meet are one token
@example(query="", document="\n")
def test_ids_equal_those_of_the_whole_string(
    qwen3_tokenizer: Tokenizer, spec: PromptSpec, query: str, document: str
) -> None:
    spec = replace(spec, control_tokens_in_text=True)
    request = RerankRequest(f"q{query}", [document])
    encoded = PromptEncoder(qwen3_tokenizer, spec, 8192).encode(request)
    whole = qwen3_tokenizer.encode(spec.text(request.query, document), add_special_tokens=False)
    assert encoded.prefix + encoded.documents[0] == whole.ids


def test_what_the_documents_of_a_query_share(qwen3_tokenizer: Tokenizer) -> None:
    def shared(spec: PromptSpec) -> str:
        request = RerankRequest("red planet", ["d"])
        encoded = PromptEncoder(qwen3_tokenizer, spec, 8192).encode(request)
        return qwen3_tokenizer.decode(encoded.prefix, skip_special_tokens=False)

    assert shared(QWEN3).endswith("<Query>: red planet\n<Document>:")
    assert shared(ZERANK) == "<|im_start|>system\nred planet<|im_end|>\n<|im_start|>"
    assert shared(CTXL).endswith("to answer the query.\n<Document>")


def test_a_document_before_its_query_is_cut_alone(tiny_model: Path) -> None:
    scorer = LocalScorer(str(tiny_model), "cpu", max_length=60, prompt=CTXL)
    [cut] = scorer.score_batch([RerankRequest(QUERY, ["long " * 100, "short"])])
    assert isinstance(cut, Scores)
    assert [document.truncated for document in cut.documents] == [True, False]
    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    encoder = PromptEncoder(tokenizer, CTXL, 60)
    encoded = encoder.encode(RerankRequest(QUERY, ["long " * 100]))
    assert len(encoded.prefix + encoded.documents[0]) == 60
    assert tokenizer.decode(encoded.documents[0]).endswith(f"long\n<Query> {QUERY} ??")
    windows = WindowScorer(str(tiny_model), "cpu", max_length=60, prompt=CTXL)
    [best] = windows.score_batch([RerankRequest(QUERY, ["long " * 100, "short"])])
    assert isinstance(best, Scores)
    assert (best.documents[0].score or 0) >= (cut.documents[0].score or 0)


@pytest.mark.parametrize(
    ("query", "document"), [(" red planet\n", "Mars is red."), ("red planet", "\tMars is red. ")]
)
def test_zerank_does_not_see_white_space_around_a_text(
    tiny_model: Path, query: str, document: str
) -> None:
    scorer = LocalScorer(str(tiny_model), "cpu", "float32", prompt=ZERANK)
    plain = scorer.score("red planet", ["Mars is red."])
    assert scorer.score(query, [document]) == pytest.approx(plain, abs=1e-6)


def test_instructions(tiny_model: Path, qwen3_tokenizer: Tokenizer) -> None:
    assert "<Instruct>: Given a user request, " in R3.text("q", "d")
    assert R3.text("q", "d", "Find code") == QWEN3.text("q", "d", "Find code")
    assert CTXL.text("q", "d").endswith("<Query> q ??")
    assert CTXL.text("q", "d", "Newest first").endswith("<Query> q Newest first ??")
    for spec in (ZERANK, PRISM):
        scorer = LocalScorer(str(tiny_model), "cpu", prompt=spec)
        with pytest.raises(ConfigError, match="has no place for an instruction"):
            scorer.score("q", ["d"], instruction="Find code")


@pytest.mark.parametrize(
    "template", ["{query}", "{document}", "{query}{document}{document}", "{query}{document}{}", "{"]
)
def test_templates_that_are_none(template: str) -> None:
    with pytest.raises(ConfigError, match="a prompt's template"):
        PromptSpec(template)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('{"templat": "{query} {document}"}', "prompt.json: templat: unexpected"),
        ('{"answer": {"plus": 3}}', r"answer\.plus: input should be a valid string"),
        ('{"strip": "yes"}', "strip: input should be a valid boolean"),
        ('{"template": "{query}"}', "prompt.json: a prompt's template must hold"),
        ("{", "prompt.json: Invalid JSON"),
    ],
)
def test_a_file_that_holds_no_prompt(tmp_path: Path, written: str, message: str) -> None:
    file = tmp_path / "prompt.json"
    file.write_text(written)
    with pytest.raises(ConfigError, match=message):
        ScorerSettings(prompt=str(file))
    with pytest.raises(ConfigError, match=r"names the file .*No such file"):
        ScorerSettings(prompt=str(tmp_path / "other.json"))
    with pytest.raises(ConfigError, match=r"one of qwen3, .* or a file \*\.json, got 'Zerank'"):
        ScorerSettings(prompt="Zerank")


def test_a_prompt_of_ones_own_is_a_setting(tiny_model: Path) -> None:
    spec = PromptSpec("Q:{query}\nD: {document}\nA:", Answer("Yes", None), strip=True)
    reranker = load(model=str(tiny_model), device="cpu", prompt=spec, cache_ttl=0)
    scores = [result.score for result in reranker.rerank(QUERY, DOCUMENTS[:3])]
    truth = plainly(tiny_model).score(spec, QUERY, DOCUMENTS[:3])
    assert scores == pytest.approx(sorted(truth, reverse=True), abs=1e-5)


def remember(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps({**config, "_name_or_path": name}))

    return change


def score_by(plus: str, minus: str | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        (folder / "1_LogitScore").mkdir()
        kind = "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"
        (folder / "modules.json").write_text(json.dumps([{"type": kind, "path": "1_LogitScore"}]))
        ids = [None if text is None else tokenizer.token_to_id(text) for text in (plus, minus)]
        config = dict(zip(("true_token_id", "false_token_id"), ids, strict=True))
        (folder / "1_LogitScore" / "config.json").write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("name", "change", "spec"),
    [
        ("model", None, QWEN3),
        ("zerank-1-small", None, ZERANK),
        ("R3-rerank-0.6b", None, R3),
        ("Prism-Qwen3-Reranker-4B-exp", None, PRISM),
        ("ctxl-rerank-v2-instruct-multilingual-1b", None, CTXL),
        ("model", remember("zeroentropy/zerank-2"), ZERANK),
        ("model", score_by("Yes", None), ZERANK),
        ("model", score_by("!", None), CTXL),
        ("model", score_by("yes", "no"), QWEN3),
    ],
)
def test_the_folder_tells_its_family(
    tiny_model: Path,
    tmp_path: Path,
    name: str,
    change: Callable[[Path], None] | None,
    spec: PromptSpec,
) -> None:
    copy = shutil.copytree(tiny_model, tmp_path / name)
    if change is not None:
        change(copy)
    with LocalScorer(str(copy), "cpu", "float32") as scorer:
        told = scorer.score(QUERY, DOCUMENTS[:3])
    truth = plainly(tiny_model).score(spec, QUERY, DOCUMENTS[:3])
    assert told == pytest.approx(truth, abs=1e-5)


def test_a_name_and_files_that_contradict_each_other(tiny_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_model, tmp_path / "zerank-2")
    score_by("yes", "no")(copy)
    with pytest.raises(ModelLoadError, match="set prompt to the model's family"):
        LocalScorer(str(copy), "cpu").score("q", ["d"])
    scorer = LocalScorer(str(copy), "cpu", "float32", prompt=QWEN3)
    truth = plainly(tiny_model).score(QWEN3, QUERY, DOCUMENTS)
    assert scorer.score(QUERY, DOCUMENTS) == pytest.approx(truth, abs=1e-5)


def test_layers_that_pack_nothing_can_not_be_compiled(qwen3_5: Path) -> None:
    with pytest.raises(ConfigError, match="compiled=True does not work with the layers"):
        LocalScorer(str(qwen3_5), "cpu", compiled=True).score("q", ["d"])


def blocks_of(page: str, kind: str) -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("page", ["models.md", "models.zh-CN.md"])
def test_the_examples_of_the_page_run(
    page: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own, unloading = blocks_of(page, "python")
    names: dict[str, Any] = {}
    exec(own, names)
    exec(unloading, {})
    assert re.fullmatch(r"\[0\..*\]\n\[0\..*, 0\..*\]\n", capsys.readouterr().out)
    [written] = blocks_of(page, "json")
    file = tmp_path / "prompt.json"
    file.write_text(written, encoding="utf-8")
    settings = ScorerSettings(prompt=str(file))
    assert settings.prompt == ScorerSettings(prompt=names["spec"]).prompt == names["spec"]
    assert ScorerSettings(**settings.model_dump()).prompt == names["spec"]


def test_the_table_of_the_page_is_whole() -> None:
    for page in ("models.md", "models.zh-CN.md"):
        text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
        assert re.findall(r"^\| `\"(\w+)\"` \|", text, re.MULTILINE) == list(FAMILIES)
