"""One document that a server does not take costs no other document its score.

The replies are those of real servers; sources: issues of llama.cpp, vLLM, TEI and others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import RemoteRejectedError, RemoteScorer, ScorerUnavailableError, load
from qwen_rerank.scorers import breaker
from tests.remote.fault_server import Received
from tests.remote.outcomes import cut, outcome_of, scores_of, values
from tests.remote.servers import Reply, Server, common_answer, own_answer, running, tei_answer

QUERY = "red wine"
LIMIT = 512
LONG = "wine " * 3000
"""Of about 3,000 tokens; the servers count one for each word."""
WORSE = "é" * 9000
"""Long, and refused however short it is."""
DOCUMENTS = ["red sea", "red wine", LONG, "blue sea"]

LLAMA_CPP = "input is too large to process. increase the physical batch size"
VLLM = (
    "This model's maximum context length is 512 tokens. However, you requested {given} tokens "
    "in the input for score generation. Please reduce the length of the input."
)
VLLM_NEW = (
    "This model's maximum context length is 512 tokens. However, you requested 0 output tokens "
    "and your prompt contains at least 513 input tokens, for a total of at least 513 tokens. "
    "Please reduce the length of the input prompt or the number of requested output tokens. "
    "(parameter=input_tokens, value=513)"
)
TEI = "Input validation error: `inputs` must have less than 512 tokens. Given: {given}"
TOO_LONG: dict[str, tuple[int, Callable[[int], Any]]] = {
    "llama.cpp": (500, lambda given: {"error": {"code": 500, "message": LLAMA_CPP}}),
    "llama.cpp, with numbers": (
        500,
        lambda given: {
            "error": {
                "code": 500,
                "message": f"input ({given} tokens) is too large to process. increase the "
                "physical batch size (current batch size: 512)",
            }
        },
    ),
    "vLLM": (400, lambda given: {"message": VLLM.format(given=given), "code": 400}),
    "vLLM, newer": (400, lambda given: {"error": {"message": VLLM_NEW, "code": 400}}),
    "TEI": (413, lambda given: {"error": TEI.format(given=given), "error_type": "Validation"}),
    "SGLang": (
        400,
        lambda given: {
            "message": f"The input ({given} tokens) is longer than the model's context length "
            "(512 tokens)."
        },
    ),
}
every_way = pytest.mark.parametrize("way", TOO_LONG)
alone_and_in_a_fleet = pytest.mark.parametrize("servers", [1, 2])


def refusing_long(way: str) -> Callable[[Received], Reply]:
    """Refuses a request in which one document has too many tokens, as that server does."""
    status, body = TOO_LONG[way]

    def answer(received: Received) -> Reply:
        for text in received.documents:
            given = len((received.body["query"] + " " + text).split())
            if given > LIMIT or "é" in text:
                return status, body(max(given, LIMIT + 1))
        return own_answer(received)

    return answer


def refusing_blanks(received: Received) -> Reply:
    if all(text.strip() for text in received.documents):
        return own_answer(received)
    message = "text input should not be empty.: input.documents"
    return 400, {"code": "InvalidParameter", "message": message}


def null_for_blanks(received: Received) -> Reply:
    status, reply = own_answer(received)
    for item in reply["reranked_documents"]:
        item["score"] = item["score"] if received.documents[item["index"]].strip() else None
    return status, reply


def scorer_of(servers: list[Server], **options: Any) -> RemoteScorer:
    settings = {"dialect": "qwen-rerank", "canary": False, **options}
    return RemoteScorer([server.url for server in servers], "m", **settings)


def requests_to(servers: list[Server]) -> int:
    return sum(len(server.received) for server in servers)


def started(stack: ExitStack, answer: Callable[[Received], Reply], count: int) -> list[Server]:
    return [stack.enter_context(running(answer)) for _ in range(count)]


@every_way
@alone_and_in_a_fleet
def test_a_document_that_is_too_long_is_cut_and_scored(way: str, servers: int) -> None:
    with ExitStack() as stack:
        fleet = started(stack, refusing_long(way), servers)
        scores = scores_of(scorer_of(fleet), QUERY, DOCUMENTS)
        assert values(scores) == [0.5, 1, 0.5, 0]
        assert cut(scores) == {2}
        assert requests_to(fleet) == 2


@every_way
@alone_and_in_a_fleet
def test_a_document_that_is_refused_at_any_length_has_no_score(way: str, servers: int) -> None:
    documents = ["red sea", "red wine", WORSE, "blue sea"]
    with ExitStack() as stack:
        fleet = started(stack, refusing_long(way), servers)
        scorer = scorer_of(fleet, max_retries=0)
        for number in range(breaker.FAILURES + 1):
            scores = scores_of(scorer, QUERY, documents)
            assert values(scores) == [0.5, 1, None, 0]
            assert "the server refuses the document" in str(scores.documents[2].reason)
            assert cut(scores) == set()
            assert requests_to(fleet) <= 3 * (number + 1)


@every_way
def test_several_long_documents_are_cut_at_once(way: str) -> None:
    documents = ["wine " * 600, "red wine", LONG, "wine " * 900, "blue sea"]
    with running(refusing_long(way)) as server:
        scores = scores_of(scorer_of([server]), QUERY, documents)
        assert values(scores) == [0.5, 1, 0.5, 0.5, 0]
        assert cut(scores) == {0, 2, 3}
        assert len(server.received) == 2


@every_way
def test_the_next_call_keeps_to_what_was_learned(way: str) -> None:
    with running(refusing_long(way)) as server:
        scorer = scorer_of([server])
        for _ in range(3):
            assert cut(scores_of(scorer, QUERY, DOCUMENTS)) == {2}
        assert len(server.received) == 4


def test_dense_text_is_cut_to_what_the_server_counts() -> None:
    """A token for each Chinese character: fewer bytes a token than in most texts."""

    def answer(received: Received) -> Reply:
        given = max(len(text) for text in received.documents)
        if given > LIMIT:
            return 413, {"error": TEI.format(given=given), "error_type": "Validation"}
        return own_answer(received)

    with running(answer) as server:
        scores = scores_of(scorer_of([server]), QUERY, ["red sea", "葡萄酒" * 1000])
        assert (values(scores), cut(scores)) == ([0.5, 0], {1})
        assert len(server.received) == 2
        assert len(server.received[1].documents[1]) > LIMIT / 2


@alone_and_in_a_fleet
@pytest.mark.parametrize("answer", [refusing_blanks, null_for_blanks])
@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_document_has_no_score(
    blank: str, answer: Callable[[Received], Reply], servers: int
) -> None:
    with ExitStack() as stack:
        fleet = started(stack, answer, servers)
        scorer = scorer_of(fleet, max_retries=0)
        for _ in range(breaker.FAILURES + 1):
            scores = scores_of(scorer, QUERY, ["red sea", blank, "red wine", "blue sea"])
            assert values(scores) == [0.5, None, 1, 0]
            assert scores.documents[1].reason
        assert requests_to(fleet) <= breaker.FAILURES + 1 + servers


def test_blank_documents_never_reach_a_server_that_is_known_to_refuse_them() -> None:
    with running(tei_answer) as server:
        scorer = scorer_of([server], dialect="tei")
        assert values(scores_of(scorer, QUERY, ["", "red", " "])) == [None, 0.5, None]
        assert values(scores_of(scorer, QUERY, ["", " "])) == [None, None]
        assert [received.documents for received in server.received] == [["red"]]


def test_a_server_that_takes_blank_documents_gets_them_after_another_refusal() -> None:
    def answer(received: Received) -> Reply:
        return (400, {}) if "bad" in received.body["query"] else own_answer(received)

    with running(answer) as server:
        scorer = scorer_of([server])
        assert isinstance(outcome_of(scorer, "bad", ["red", ""]), RemoteRejectedError)
        assert values(scores_of(scorer, QUERY, ["red", ""])) == [0.5, 0]


def test_a_text_with_few_tokens_does_not_lift_the_limit_for_others() -> None:
    few, many = "w" * 3000, "wine " * 700
    documents = ["red sea", few, many]
    with running(refusing_long("llama.cpp")) as server:
        scorer = scorer_of([server])
        assert cut(scores_of(scorer, QUERY, ["red sea", few])) == set()
        for _ in range(2):
            scores = scores_of(scorer, QUERY, documents)
            assert (values(scores), cut(scores)) == ([0.5, 0, 0.5], {2})
        assert len(server.received) == 4


def test_a_500_that_took_too_long_is_an_outage() -> None:
    with running(lambda received: (500, {"error": "the request took too long"})) as server:
        error = outcome_of(scorer_of([server], max_retries=0), QUERY, DOCUMENTS)
        assert isinstance(error, ScorerUnavailableError)


@pytest.mark.parametrize("number", ["9" * 400, "0", "-5", "1e9", ""])
def test_a_limit_that_makes_no_sense_does_no_harm(number: str) -> None:
    def answer(received: Received) -> Reply:
        if LONG in received.documents:
            return 400, {"error": f"maximum context length is {number}, given: {number}"}
        return own_answer(received)

    with running(answer) as server:
        scores = scores_of(scorer_of([server]), QUERY, DOCUMENTS)
        assert (values(scores), cut(scores)) == ([0.5, 1, 0.5, 0], {2})


def test_two_giants_beside_each_other_cost_only_their_own_scores() -> None:
    """A proxy says 413 and nothing else."""

    def answer(received: Received) -> Reply:
        return (413, {}) if sum(map(len, received.documents)) > 500 else own_answer(received)

    with running(answer) as server:
        scores = scores_of(scorer_of([server]), QUERY, ["red", "a" * 9000, "b" * 9000, "wine"])
        assert values(scores) == [0.5, None, None, 0.5]


def test_a_refusal_without_a_known_reason_stays_an_error() -> None:
    def answer(received: Received) -> Reply:
        return 400, {"error": "no such model"}

    with running(answer) as server:
        error = outcome_of(scorer_of([server]), QUERY, DOCUMENTS)
        assert isinstance(error, RemoteRejectedError)
        assert (error.status, len(server.received)) == (400, 1)


@every_way
def test_documents_that_are_all_refused_are_an_error(way: str) -> None:
    with running(refusing_long(way)) as server:
        error = outcome_of(scorer_of([server]), QUERY, [WORSE])
        assert isinstance(error, RemoteRejectedError)
        assert len(server.received) <= 3


def test_a_refused_last_batch_costs_only_its_own_documents() -> None:
    """A server with a limit of 32 documents gets the 33rd alone."""

    def answer(received: Received) -> Reply:
        if "é" in "".join(received.documents):
            return 413, {"error": TEI.format(given=900), "error_type": "Validation"}
        return tei_answer(received)

    with running(answer) as server:
        scores = scores_of(scorer_of([server], dialect="tei"), QUERY, ["red"] * 32 + [WORSE])
        assert values(scores) == [0.5] * 32 + [None]


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp", "qwen-rerank"])
def test_max_length_holds_for_a_server_that_cuts_nothing(dialect: str) -> None:
    """Estimated: about 4 bytes a token."""
    answer = own_answer if dialect == "qwen-rerank" else common_answer
    with running(answer) as server:
        scorer = scorer_of([server], dialect=dialect, max_length=512)
        scores = scores_of(scorer, QUERY, ["red", "red " * 1000])
        assert cut(scores) == {1}
        assert 400 < len(server.received[0].documents[1]) <= 4 * 512


# through the adapters


async def langchain(documents: list[str], **settings: Any) -> list[tuple[str, Any, Any]]:
    compressor = langchain_qwen_rerank.QwenRerank(**settings)
    given = [Document(text) for text in documents]
    found = await compressor.acompress_documents(given, QUERY)
    return [
        (d.page_content, d.metadata.get("relevance_score"), d.metadata.get("rerank_error"))
        for d in found
    ]


async def langchain_sync(documents: list[str], **settings: Any) -> list[tuple[str, Any, Any]]:
    compressor = langchain_qwen_rerank.QwenRerank(**settings)
    given = [Document(text) for text in documents]
    found = await asyncio.to_thread(compressor.compress_documents, given, QUERY)
    return [
        (d.page_content, d.metadata.get("relevance_score"), d.metadata.get("rerank_error"))
        for d in found
    ]


async def llama_index(documents: list[str], **settings: Any) -> list[tuple[str, Any, Any]]:
    postprocessor = llama_index_qwen_rerank.QwenRerank(**settings)
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in documents]
    found = await postprocessor.apostprocess_nodes(nodes, QueryBundle(QUERY))
    return [(n.node.get_content(), n.score, n.node.metadata.get("rerank_error")) for n in found]


async def llama_index_sync(documents: list[str], **settings: Any) -> list[tuple[str, Any, Any]]:
    postprocessor = llama_index_qwen_rerank.QwenRerank(**settings)
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in documents]
    found = await asyncio.to_thread(postprocessor.postprocess_nodes, nodes, QueryBundle(QUERY))
    return [(n.node.get_content(), n.score, n.node.metadata.get("rerank_error")) for n in found]


WAYS = {
    "500": (refusing_long("llama.cpp"), WORSE),
    "400": (refusing_long("vLLM"), WORSE),
    "413": (refusing_long("TEI"), WORSE),
    "null": (null_for_blanks, " "),
    "blank": (refusing_blanks, ""),
}


@alone_and_in_a_fleet
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", [langchain, langchain_sync, llama_index, llama_index_sync])
async def test_three_scores_and_one_document_below_them(
    call: Callable[..., Awaitable[list[tuple[str, Any, Any]]]], way: str, servers: int
) -> None:
    answer, bad = WAYS[way]
    with ExitStack() as stack:
        fleet = started(stack, answer, servers)
        urls = [server.url for server in fleet]
        found = await call(
            [bad, "red sea", "red wine", "blue sea"],
            base_url=urls,
            dialect="qwen-rerank",
            canary=False,
            on_error="raise",
        )
        assert [text for text, _, _ in found] == ["red wine", "red sea", "blue sea", bad]
        assert [score for _, score, _ in found[:3]] == [1, 0.5, 0]
        assert found[3][2], "it says why it has no score"
        assert not any(reason for _, _, reason in found[:3])
        assert requests_to(fleet) <= 3


async def test_a_reranker_marks_what_was_cut() -> None:
    with running(refusing_long("llama.cpp")) as server:
        reranker = load(base_url=server.url, dialect="qwen-rerank", canary=False)
        results = await reranker.arerank(QUERY, DOCUMENTS)
        assert [r.index for r in results if r.truncated] == [2]
