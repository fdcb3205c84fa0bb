"""Many clients at once, over real sockets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from qwen_rerank.testing import word_overlap
from tests.server.running import ManyFake, Running, serving

CLIENTS = 64


def test_each_of_many_clients_gets_the_answer_to_its_own_question() -> None:
    with serving(scorer=ManyFake()) as server, ThreadPoolExecutor(CLIENTS) as pool:
        wrong = [*pool.map(lambda number: wrong_answers(server, number), range(CLIENTS))]
        assert wrong == [0] * CLIENTS
        assert server.service.waiting == 0


def wrong_answers(server: Running, number: int) -> int:
    """Ask a client's questions one after the other, from 1 to 200 documents each."""
    return sum(not is_right(server, number, count) for count in (1 + number, 200 - number, 3))


def is_right(server: Running, number: int, count: int) -> bool:
    query = f"client{number} {count}"
    documents = [f"client{number} {place}" for place in range(count - 1)] + [query]
    rows = server.post({"query": query, "documents": documents}).json()["reranked_documents"]
    scores = {row["document"]: row["score"] for row in rows}
    return scores == {document: word_overlap(query, document) for document in documents}
