"""Settings of a server, by argument and environment, and what `load` makes of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from qwen_rerank import (
    AdapterSettings,
    CachedScorer,
    ConfigError,
    FallbackScorer,
    LocalScorer,
    RemoteScorer,
    load,
    load_scorer,
)
from qwen_rerank.scorers.score_store import MemoryStore
from tests.remote.servers import own
from tests.remote.test_forks import in_a_child

URL = "http://localhost:8000"


def test_defaults_are_the_documented_ones() -> None:
    settings = AdapterSettings()
    assert (settings.base_url, settings.api_key, settings.dialect) == (None, None, "auto")
    assert (settings.timeout, settings.max_retries) == (10.0, 2)
    assert (settings.fallback, settings.cache_ttl) == (None, 3600.0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://a/", "http://a"),
        (" http://a , http://b:1/v1/,", ("http://a", "http://b:1/v1")),
        (["http://a", "http://b"], ("http://a", "http://b")),
        (("http://a",), "http://a"),
        (None, None),
    ],
)
def test_base_urls(given: Any, kept: Any) -> None:
    assert AdapterSettings(base_url=given).base_url == kept


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "BASE_URL": "http://a,http://b",
        "API_KEY": "k",
        "DIALECT": "vllm",
        "TIMEOUT": "2.5",
        "MAX_RETRIES": "0",
        "FALLBACK": "builtin",
        "CACHE_TTL": "none",
        "CANARY": "false",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"QWEN_RERANK_{name}", value)
    scorer = load_scorer(AdapterSettings())
    remote = RemoteScorer(
        ["http://a", "http://b"],
        api_key="k",
        dialect="vllm",
        timeout=2.5,
        max_retries=0,
        canary=False,
    )
    assert scorer == FallbackScorer(remote, LocalScorer("builtin"))
    assert (remote.timeout, remote.max_retries) == (2.5, 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"base_url": "localhost:8000"}, "base_url must be a URL such as"),
        ({"base_url": ""}, "base_url must name at least one server"),
        ({"base_url": 7}, "base_url: "),
        ({"dialect": "openai"}, "dialect must be one of auto, qwen-rerank"),
        ({"timeout": 0}, "timeout: .*greater than 0"),
        ({"timeout": float("inf")}, "timeout: .*"),
        ({"timeout": 1e10}, "timeout: .*less than or equal to 86400"),
        ({"max_retries": -1}, "max_retries: .*got -1"),
        ({"cache_ttl": -1}, "cache_ttl: .*got -1"),
        ({"cache_url": "localhost:6379"}, "cache_url must be a Redis URL such as"),
        ({"cache_ttl": True}, "cache_ttl takes no true or false, got True"),
        ({"max_length": True}, "max_length takes no true or false, got True"),
        ({"max_candidates": True}, "max_candidates takes no true or false, got True"),
        ({"template": "none of them"}, "template: "),
        ({"base_url": URL, "template": "client", "dialect": "sglang"}, "does not suit dialect"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(**wrong)


@pytest.mark.parametrize("timeout", [0, -1, 1e10, float("inf"), float("nan")])
def test_a_timeout_out_of_range_is_refused(timeout: float) -> None:
    with pytest.raises(ConfigError, match="timeout must be above 0 and at most 86400 seconds"):
        RemoteScorer(URL, timeout=timeout)


def test_each_scorer_has_its_own_cache_below_the_fallback() -> None:
    """One cache above both would mix the scores of two models in one answer."""
    scorer = load(base_url=URL, fallback="builtin", cache_ttl=60).scorer
    store = MemoryStore(60)
    remote, local = RemoteScorer(URL), LocalScorer("builtin")
    assert scorer == FallbackScorer(CachedScorer(remote, store), CachedScorer(local, store))
    assert load(base_url=URL, cache_ttl=0).scorer == RemoteScorer(URL)
    assert load(base_url=URL, cache_ttl=None).scorer == RemoteScorer(URL)
    assert load(model="builtin").scorer == CachedScorer(local)


@pytest.mark.parametrize("copy", [deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_scorers_copy_and_pickle_as_their_settings(copy: Callable[[Any], Any]) -> None:
    with own() as server:
        scorer = load(base_url=server.url, model="m", fallback="builtin", api_key="k").scorer
        assert scorer.score("red wine", ["red"]) == [0.5]
        again = copy(scorer)
        assert again == scorer
        assert again is not scorer
        assert again.score("red wine", ["wine"]) == [0.5]


def test_a_forked_process_opens_connections_of_its_own() -> None:
    with own() as server:
        scorer = RemoteScorer(server.url, "m")
        scorer.score("red wine", ["red"])
        assert in_a_child(lambda: scorer.score("red wine", ["red"]) == [0.5])
        assert scorer.score("red wine", ["wine"]) == [0.5]
        assert len(server.connections) == 2


def test_no_documents_cause_no_request() -> None:
    assert RemoteScorer("http://nobody.invalid").score("q", []) == []


def test_a_lone_surrogate_is_sent_as_the_replacement_character() -> None:
    """JavaScript clients cut emoji in two."""
    with own() as server:
        assert RemoteScorer(server.url, "m").score("red \ud83d", ["red \ude00"]) == [1]
        assert server.received[-1].body["query"] == "red \ufffd"
        assert server.received[-1].documents == ["red \ufffd"]


def test_a_private_authority_is_trusted_by_the_usual_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.remote.fault_server import answer_well, serving
    from tests.remote.self_signed import certificate_file, self_signed

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate_file()))
    with serving(answer_well, tls=self_signed()) as url:
        assert RemoteScorer(url, "m").score("red wine", ["red"]) == [0.5]
