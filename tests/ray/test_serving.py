"""The application on Ray Serve: the same replies as one server, whatever happens to a replica."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from langchain_core.documents import Document

from langchain_qwen_rerank import QwenRerank
from llama_index_qwen_rerank import QwenRerank as LlamaIndexQwenRerank
from qwen_rerank import load
from qwen_rerank.ray.settings import FleetSettings
from tests.ray.machines import Machines, actors, kill, replicas, wait_until
from tests.ray.slow_scorer import SlowScorer
from tests.server.running import Running, serving

pytestmark = pytest.mark.ray

CLIENTS = 32
QUERIES = ["refund of a cat", "time and money", "the law"]
TEXTS = [f"document {n} about {word}" for n, word in enumerate(["cats", "law", "time"] * 3)]
REPLICA = "ServeReplica"


@pytest.fixture(scope="module")
def served(machines: Machines) -> Machines:
    """Two replicas of the built-in model, on two machines."""
    machines.add()
    settings = FleetSettings(model="builtin", device="cpu", replicas=2)
    machines.deploy(settings, max_replicas_per_node=1)
    return machines


def test_every_example_gets_the_reply_of_one_server(served: Machines) -> None:
    with serving(model="builtin", device="cpu") as alone:
        fleet = Running(served.url, alone.service)
        described = requests.get(f"{alone.url}/openapi.json", timeout=30).json()
        assert requests.get(f"{fleet.url}/openapi.json", timeout=30).json() == described
        bodies = [(path, body) for path in described["paths"] for body in examples(described, path)]
        assert len({path for path, _ in bodies}) >= 6
        for path, body in bodies:
            wanted, found = alone.post(body, path), fleet.post(body, path)
            assert found.status_code == wanted.status_code, path
            assert plain(found.json()) == plain(wanted.json()), path


def examples(described: dict[str, Any], path: str) -> Iterator[Any]:
    content = described["paths"][path].get("post", {}).get("requestBody", {}).get("content", {})
    for example in content.get("application/json", {}).get("examples", {}).values():
        yield example["value"]


def plain(reply: Any) -> Any:
    """Without ids, and with scores as far as two batches agree."""
    if isinstance(reply, dict):
        ids = ("id", "request_id", "created")
        return {name: plain(value) for name, value in reply.items() if name not in ids}
    if isinstance(reply, list):
        return [plain(item) for item in reply]
    return pytest.approx(reply, abs=1e-5) if isinstance(reply, float) else reply


def test_no_answer_is_lost_or_wrong_when_a_replica_and_a_machine_die(served: Machines) -> None:
    with asking(served.url) as answers:
        wait_until(lambda: answers["right"] >= 2 * CLIENTS)
        workers = served.workers()
        process = next(process for process, node in actors(REPLICA) if node not in workers)
        kill(process)  # the other one's machine follows
        wait_until(lambda: process not in dict(actors(REPLICA)) and replicas() == 2)
        before = answers["right"]
        served.add()
        [node] = {node for _, node in actors(REPLICA)} & served.workers()
        served.remove(node)
        wait_until(lambda: node not in dict(actors(REPLICA)).values() and replicas() == 2)
        wait_until(lambda: answers["right"] >= before + 2 * CLIENTS)
    assert set(answers) == {"right"}, answers


@contextmanager
def asking(url: str) -> Iterator[Counter[str]]:
    """So many clients of both adapters ask without a pause; counts their answers."""
    local = load(model="builtin", device="cpu")
    wanted = {query: [r.index for r in local.rerank(query, TEXTS)] for query in QUERIES}
    options: dict[str, Any] = {"base_url": url, "cache_ttl": 0, "timeout": 60, "top_n": None}
    langchain, llama_index = QwenRerank(**options), LlamaIndexQwenRerank(**options)
    stop, answers, lock = threading.Event(), Counter[str](), threading.Lock()

    def client(number: int) -> None:
        rank = rank_nodes if number % 2 else rank_documents
        reranker = llama_index if number % 2 else langchain
        while not stop.is_set():
            query = QUERIES[number % len(QUERIES)]
            found = rank(reranker, query)
            with lock:
                answers[found if isinstance(found, str) else name_of(found == wanted[query])] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        done = [pool.submit(client, number) for number in range(CLIENTS)]
        try:
            yield answers
        finally:
            stop.set()
    for one in done:
        one.result()


def name_of(right: bool) -> str:
    return "right" if right else "wrong"


def rank_documents(reranker: Any, query: str) -> list[int] | str:
    found = reranker.compress_documents([Document(text) for text in TEXTS], query)
    return [TEXTS.index(d.page_content) for d in found] if ranked(found[0]) else "lost"


def rank_nodes(reranker: Any, query: str) -> list[int] | str:
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
    found = reranker.postprocess_nodes(nodes, query_str=query)
    return [TEXTS.index(n.node.get_content()) for n in found] if ranked(found[0]) else "lost"


def ranked(result: Any) -> bool:
    return "rerank_error" not in result.metadata


def test_a_replica_joins_under_load_and_leaves_after_it(machines: Machines) -> None:
    scale = {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 4}
    quick = {"upscale_delay_s": 0.5, "downscale_delay_s": 1}
    quick |= {"look_back_period_s": 1, "metrics_interval_s": 0.5}
    settings = FleetSettings(scorer=SlowScorer(seconds=0.2), max_replicas=2)
    machines.deploy(settings, autoscaling_config={**scale, **quick})
    assert replicas() == 1
    with asking_for_anything(machines.url):
        wait_until(lambda: replicas() == 2)
    wait_until(lambda: replicas() == 1)


@contextmanager
def asking_for_anything(url: str) -> Iterator[None]:
    stop = threading.Event()

    def client(_: int) -> None:
        while not stop.is_set():
            body = {"query": "a", "documents": ["a", "b"]}
            reply = requests.post(f"{url}/rerank", json=body, timeout=60)
            assert reply.status_code in (200, 503), reply.text

    with ThreadPoolExecutor(16) as pool:
        done = [pool.submit(client, number) for number in range(16)]
        try:
            yield
        finally:
            stop.set()
    for one in done:
        one.result()


def test_too_many_requests_get_503_and_retry_after(machines: Machines) -> None:
    settings = FleetSettings(scorer=SlowScorer(seconds=0.5))
    machines.deploy(settings, max_ongoing_requests=2, max_queued_requests=2)

    def ask(_: int) -> requests.Response:
        body = {"query": "a b", "documents": ["x", "a", "a b"]}
        return requests.post(f"{machines.url}/rerank", json=body, timeout=60)

    with ThreadPoolExecutor(CLIENTS) as pool:
        replies = list(pool.map(ask, range(CLIENTS)))
    assert {reply.status_code for reply in replies} == {200, 503}
    for reply in replies:
        if reply.status_code == 503:
            assert int(reply.headers["Retry-After"]) >= 1
        else:
            assert [row["index"] for row in reply.json()["results"]] == [2, 1, 0]


def test_a_replica_whose_model_is_ill_is_replaced(machines: Machines, tmp_path: Path) -> None:
    ill = tmp_path / "ill"
    machines.deploy(FleetSettings(scorer=SlowScorer(ill=ill)), health_check_period_s=0.5)
    [(process, _)] = actors(REPLICA)
    ill.touch()
    wait_until(lambda: process not in dict(actors(REPLICA)))
    ill.unlink()
    wait_until(lambda: replicas() == 1)
    body = {"query": "a", "documents": ["a"]}
    assert requests.post(f"{machines.url}/rerank", json=body, timeout=60).status_code == 200
