"""The key of a server is in nothing that anyone could print, log or store."""

from __future__ import annotations

import gc
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any

import pytest
import requests
from langchain_core.load import dumpd

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import (
    AdapterSettings,
    ConfigError,
    QwenRerankError,
    RemoteScorer,
    Reranker,
    RerankerSettings,
    load,
)
from tests.remote.fault_server import Received, send_reply, serving
from tests.remote.faults import FAULTS, Fault
from tests.remote.servers import Reply, own, running

KEY = "sk-Hush_hush-0123456789"


def texts_of(error: BaseException, *, frames: bool = True) -> Iterator[str]:
    """Everything that hangs on an exception: what a log or an error tracker would show."""
    yield repr(error)
    yield str(error)
    yield repr(vars(error))
    yield "".join(traceback.format_exception(error))
    if frames:
        yield from _frames(error.__traceback__)
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from texts_of(other, frames=frames)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        if "/tests/" not in trace.tb_frame.f_code.co_filename:
            yield from map(repr, trace.tb_frame.f_locals.values())
            for value in trace.tb_frame.f_locals.values():
                yield repr(getattr(value, "__dict__", ""))
        trace = trace.tb_next


def failure_of(reranker: Reranker) -> BaseException:
    try:
        reranker.rerank("red wine", ["a", "b"])
    except QwenRerankError as error:
        return error
    return QwenRerankError("none")


def echo(connection: Any, received: Received) -> None:
    send_reply(connection, json.dumps({"error": received.headers}).encode(), 400)


def echo_as_a_score(connection: Any, received: Received) -> None:
    items = [{"index": 0, "score": received.headers["authorization"]}]
    send_reply(connection, json.dumps({"reranked_documents": items}).encode())


def echo_in_a_redirect(connection: Any, received: Received) -> None:
    send_reply(connection, b"", 302, Location=f"http://evil.invalid/?{received.headers}")


def echo_across_the_cut(connection: Any, received: Received) -> None:
    send_reply(connection, ("x" * 138 + received.headers["authorization"]).encode(), 401)


ECHOES = [
    Fault(handler.__name__, partial(serving, handler), None)
    for handler in (echo, echo_as_a_score, echo_in_a_redirect, echo_across_the_cut)
]


@pytest.mark.parametrize("fault", [*FAULTS, *ECHOES], ids=str)
def test_no_error_and_no_log_line_holds_the_key(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with fault.serve() as url:
        settings: dict[str, Any] = {"dialect": "qwen-rerank", "canary": False, "timeout": 1.0}
        settings["max_retries"] = 1
        reranker = load(base_url=url, api_key=KEY, on_error="raise", **settings)
        error = failure_of(reranker)
        assert not [text for text in texts_of(error) if KEY[:12] in text]
        kept = load(base_url=url, api_key=KEY, **settings).rerank("red wine", ["a", "b"])
        assert KEY[:12] not in repr(kept)
    assert KEY[:12] not in caplog.text
    assert KEY not in repr([vars(record) for record in caplog.records])


def test_the_key_is_sent_and_nowhere_else() -> None:
    with own() as server:
        scorer = RemoteScorer(server.url, "m", api_key=f" {KEY}\n")
        for each in (scorer, deepcopy(scorer), pickle.loads(pickle.dumps(scorer))):
            each.score("q", ["d"])
            assert server.received[-1].headers["authorization"] == f"Bearer {KEY}"
            assert KEY not in repr(each) + repr(vars(each))
        assert KEY not in json.dumps([received.body for received in server.received])
        sessions = [o for o in gc.get_objects() if type(o) is requests.Session and vars(o)]
        assert KEY not in repr([(s.headers, vars(s)) for s in sessions])


def test_without_a_key_no_header_is_sent() -> None:
    with own() as server:
        RemoteScorer(server.url, "m").score("q", ["d"])
        assert "authorization" not in server.received[-1].headers


def test_settings_and_adapters_show_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_RERANK_API_KEY", KEY)
    monkeypatch.setenv("QWEN_RERANK_BASE_URL", "http://localhost:1")
    monkeypatch.setenv("QWEN_RERANK_CACHE_URL", f"redis://:{KEY}@localhost:1")
    for make in (
        AdapterSettings,
        langchain_qwen_rerank.QwenRerank,
        llama_index_qwen_rerank.QwenRerank,
    ):
        made = make()
        assert made.api_key is not None
        assert made.api_key.get_secret_value() == KEY
        assert made.cache_url is not None
        assert KEY in made.cache_url.get_secret_value()
        shown = [repr(made), str(made), repr(made.model_dump()), made.model_dump_json()]
        shown += [repr(vars(made)), repr(dict(made)), repr(made.model_copy(deep=True))]
        assert not [text for text in shown if KEY in text]
    assert KEY not in json.dumps(dumpd(langchain_qwen_rerank.QwenRerank()))
    assert KEY not in json.dumps(llama_index_qwen_rerank.QwenRerank().to_dict())
    reranker = load(RerankerSettings())
    assert KEY not in repr(reranker.scorer) + repr(vars(reranker))


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": f"{KEY}\nInjected: yes"},
        {"api_key": f"{KEY}é"},
        {"api_key": [KEY]},
        {"api_key": KEY, "timeout": -1},
        {"api_key": KEY, "unknown": 1},
        {"api_kee": KEY},
        {"base_url": f"http://user:{KEY}@host"},
        {"base_url": f"http://host/?key={KEY}"},
        {"base_url": [f"http://host/?key={KEY}"]},
        {"base_url": {KEY: 1}},
        {"cache_url": f"http://:{KEY}@host"},
        {"cache_url": f"redis://:{KEY}@host:port"},
        {"cache_url": [KEY]},
    ],
)
def test_the_error_for_a_wrong_setting_holds_no_key(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(**wrong)
    # the caller's own arguments are plain text in the frames that got them
    assert not [text for text in texts_of(caught.value, frames=False) if KEY in text]


def test_a_redirect_is_not_followed_and_no_cookie_is_kept() -> None:
    with own() as elsewhere:

        def answer(received: Received) -> Reply:
            return 200, {"reranked_documents": [{"index": 0, "score": 1}]}

        def redirect(connection: Any, received: Received) -> None:
            send_reply(connection, b"", 307, Location=f"{elsewhere.url}/rerank")

        with serving(redirect) as url, pytest.raises(QwenRerankError, match="a redirect to"):
            RemoteScorer(url, "m", api_key=KEY).score("q", ["d"])
        assert elsewhere.received == []
        with running(answer) as server:
            scorer = RemoteScorer(server.url, "m", dialect="qwen-rerank", canary=False)
            scorer.score("q", ["d"])
            assert "cookie" not in server.received[-1].headers


def test_no_proxy_and_no_netrc_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {KEY}")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with own() as server:
        RemoteScorer(server.url, "m").score("q", ["d"])
        assert "authorization" not in server.received[-1].headers


def test_a_checkup_shows_no_key() -> None:
    with own() as server:
        [checkup] = RemoteScorer(server.url, "m", api_key=KEY).check()
        assert KEY not in repr(asdict(checkup))
