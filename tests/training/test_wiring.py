"""The wired, untrained network: a matcher of words in ordinary Qwen3 weights."""

from pathlib import Path

import pytest
import torch

from qwen_rerank.prompt import QWEN3
from training.batching import Batcher
from training.checkpoint import load_reranker
from training.evaluate import scorer
from training.miniature import miniature
from training.prepare import start
from training.prompt import SUFFIX, document_tail, head, query_line
from training.smoke import check_wiring, vectors_of_endings
from training.tokenizer import encode

QUERIES = ["how to copy a file", "如何备份数据库？", "what is a socket"]
DOCUMENTS = ["Copy a file to a new place.", "备份数据库之前先停止写入。", "A socket is an end.", ""]


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wired")
    pairs = miniature()
    start(pairs, pairs, folder, 4096, ["temporary"], vectors_of_endings)
    return folder


def test_ranks_an_exact_match_first_in_both_languages(wired: Path) -> None:
    check_wiring(wired)


def test_shared_prompt_gives_the_scores_of_the_plain_forward_pass(wired: Path) -> None:
    network, tokenizer = load_reranker(wired)
    batcher = Batcher(tokenizer)
    row = (
        network.model.model.embed_tokens.weight[network.yes]
        - (network.model.model.embed_tokens.weight[network.no])
    )
    for query in QUERIES:
        shared = scorer(network.eval(), batcher)(query, DOCUMENTS)
        for document, score in zip(DOCUMENTS, shared, strict=True):
            whole = head() + query_line(query) + document_tail(document)
            ids = torch.tensor(encode(tokenizer, [whole]))
            with torch.no_grad():
                hidden = network.model.model(ids).last_hidden_state[0, -1]
            assert float(hidden @ row) == pytest.approx(score, abs=2e-4)


def test_prompt_may_be_tokenised_in_pieces(wired: Path) -> None:
    _, tokenizer = load_reranker(wired)
    documents = ["", " a", "\n1.5 km", "<b>x</b>", "北京 2008", "it's", "…", "<Query>: y"]
    for document in documents:
        pieces = [head(), query_line("q? 问"), " " + document, SUFFIX]
        apart = [i for piece in pieces for i in encode(tokenizer, [piece])[0]]
        assert apart == encode(tokenizer, ["".join(pieces)])[0]
    whole = QWEN3.text("q", "d")
    assert head() + query_line("q") + document_tail("d") == whole


def test_answers_and_marks_are_one_token_each(wired: Path) -> None:
    _, tokenizer = load_reranker(wired)
    for text in ("yes", "no", "<Query>:", "<Document>:", "</think>"):
        assert len(encode(tokenizer, [text])[0]) == 1


def test_words_are_the_same_tokens_in_any_surroundings(wired: Path) -> None:
    _, tokenizer = load_reranker(wired)
    plain = encode(tokenizer, ["temporary"])[0]
    for text in ("( Temporary", "（temporary", "的temporary", '" TEMPORARY'):
        assert encode(tokenizer, [text])[0][-len(plain) :] == plain
