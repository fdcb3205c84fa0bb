"""What a server of this project says beside its scores reaches the caller."""

from __future__ import annotations

from qwen_rerank import RemoteScorer, load
from tests.remote.fault_server import Received
from tests.remote.outcomes import cut, scores_of, values
from tests.remote.servers import Reply, own_answer, running

REASON = "ScorerUnavailableError: http://gpu: refused"


def marking(received: Received) -> Reply:
    """Cuts long documents, takes three at most, and falls back for white ones."""
    if len(received.documents) > 3:
        return 413, {"detail": f"{len(received.documents)} documents, and 3 is the most"}
    status, reply = own_answer(received)
    for item in reply["reranked_documents"]:
        text = received.documents[item["index"]]
        item.update({"truncated": True} if "long" in text else {})
        item.update({"fallback": REASON} if "white" in text else {})
    return status, reply


def test_fields_of_a_document_keep_their_places_over_batches() -> None:
    with running(marking) as server:
        scorer = RemoteScorer(server.url, "m", dialect="qwen-rerank", canary=False)
        documents = ["red", "long", "sea", "tea", "red wine", "so long"]
        scores = scores_of(scorer, "red wine", documents)
        assert values(scores) == [0.5, 0, 0, 0, 1, 0]
        assert cut(scores) == {1, 5}
        assert scores.fallback is None


def test_a_server_sends_no_control_characters_to_a_terminal() -> None:
    def answer(received: Received) -> Reply:
        text = "\x1b[2J\x9b1m\u202egone\ud83d"
        marked = {"index": 0, "score": 0.5, "fallback": text}
        without = {"index": 1, "score": None, "not_reranked": text}
        return 200, {"reranked_documents": [marked, without]}

    with running(answer) as server:
        scorer = RemoteScorer(server.url, "m", dialect="qwen-rerank", canary=False)
        scores = scores_of(scorer, "q", ["d", "e"])
    escaped = r"\u001b[2J\u009b1m\u202egone\ud83d"
    assert (scores.fallback, scores.documents[1].reason) == (escaped, escaped)


def test_a_fallback_of_the_server_is_shown_and_not_remembered() -> None:
    with running(marking) as server:
        reranker = load(base_url=server.url, dialect="qwen-rerank", canary=False)
        for _ in range(2):
            results = reranker.rerank("red wine", ["white wine", "long"])
            assert [r.fallback for r in results] == [REASON] * 2
            assert [r.truncated for r in results] == [False, True]
        assert len(server.received) == 2


def test_fields_of_other_types_are_ignored() -> None:
    def odd(received: Received) -> Reply:
        marks = {"truncated": "yes", "fallback": {"to": "nothing"}}
        return 200, {"reranked_documents": [{"index": 0, "score": 0.5, **marks}]}

    with running(odd) as server:
        scorer = RemoteScorer(server.url, "m", dialect="qwen-rerank", canary=False)
        scores = scores_of(scorer, "q", [""])
        assert (cut(scores), scores.fallback) == (set(), None)


def test_a_key_that_the_server_repeats_is_masked() -> None:
    def telling(received: Received) -> Reply:
        fallback = f"sent was {received.headers['authorization']}"
        return 200, {"reranked_documents": [{"index": 0, "score": 0.5, "fallback": fallback}]}

    with running(telling) as server:
        scorer = RemoteScorer(server.url, "m", "hushed", dialect="qwen-rerank", canary=False)
        assert scores_of(scorer, "q", ["d"]).fallback == "sent was Bearer ***"
