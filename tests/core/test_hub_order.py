"""Which hub delivers a model when there are several."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_rerank import ConfigError, MissingDependencyError, ModelLoadError
from qwen_rerank.scorers.local import hub as hubs
from qwen_rerank.scorers.local.hub import find_model

MODEL = "owner/some.model"


class FakeHub:
    """A hub whose package, look-up, download and cache do as they are told."""

    def __init__(
        self,
        name: str,
        *,
        installed: bool = True,
        reply: Callable[[], None] = lambda: None,
        delivers: bool = True,
        cached: bool = False,
    ) -> None:
        self.name, self.calls = name, list[str]()
        self._installed, self._reply = installed, reply
        self._delivers, self._cached = delivers, cached

    def require(self) -> None:
        if not self._installed:
            raise MissingDependencyError(self.name, self.name)

    def look_up(self, model: str, revision: str | None, seconds: float) -> None:
        self.calls.append("look-up")
        self._reply()

    def download(self, model: str, revision: str | None) -> str:
        self.calls.append("download")
        if not self._delivers:
            raise OSError("the connection broke")
        return f"/downloaded/{self.name}"

    def cached(self, model: str, revision: str | None) -> Path | None:
        return Path(f"/cached/{self.name}") if self._cached else None


def lacks() -> None:
    raise ModelLoadError("has no such model")


def hangs() -> None:
    threading.Event().wait(60)


FIRST = "huggingface"
ORDER: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "both have it": ({}, {}, "/downloaded/huggingface"),
    "the first lacks it": ({"reply": lacks}, {}, "/downloaded/modelscope"),
    "the first does not answer": ({"reply": hangs}, {}, "/downloaded/modelscope"),
    "the first is not installed": ({"installed": False}, {}, "/downloaded/modelscope"),
    "the first breaks off": ({"delivers": False}, {}, "/downloaded/modelscope"),
    "a hub comes before the cache of another": (
        {"reply": lacks, "cached": True},
        {},
        "/downloaded/modelscope",
    ),
    "none has it, both caches do": (
        {"reply": lacks, "cached": True},
        {"reply": hangs, "cached": True},
        "/cached/huggingface",
    ),
    "none has it, the second cache does": (
        {"reply": lacks},
        {"installed": False, "cached": True},
        "/cached/modelscope",
    ),
}


@pytest.fixture
def hub_pair(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[FakeHub, FakeHub]]:
    """Puts fakes in place of both hubs; the network may be used."""

    def put(first: dict[str, Any], second: dict[str, Any]) -> tuple[FakeHub, FakeHub]:
        pair = FakeHub(FIRST, **first), FakeHub("modelscope", **second)
        monkeypatch.setattr(hubs, "HUBS", {hub.name: hub for hub in pair})
        return pair

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(hubs, "LOOK_UP_SECONDS", 0.5)
    return put


@pytest.mark.parametrize("case", ORDER)
def test_hubs_are_preferred_in_this_order(
    hub_pair: Callable[..., tuple[FakeHub, FakeHub]], case: str
) -> None:
    first, second, wanted = ORDER[case]
    hub_pair(first, second)
    assert str(find_model(MODEL)) == wanted


def test_a_hub_that_was_chosen_is_the_only_one(
    hub_pair: Callable[..., tuple[FakeHub, FakeHub]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = hub_pair({"cached": True}, {"reply": lacks})
    monkeypatch.setenv("QWEN_RERANK_HUB", "modelscope")
    with pytest.raises(ModelLoadError, match="modelscope: has no such model"):
        find_model(MODEL)
    assert (first.calls, second.calls) == ([], ["look-up"])
    assert str(find_model(MODEL, FIRST)) == "/downloaded/huggingface", "the argument comes first"
    with pytest.raises(ConfigError, match="hub must be one of"):
        find_model(MODEL, "github")


def test_offline_no_hub_is_asked(
    hub_pair: Callable[..., tuple[FakeHub, FakeHub]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = hub_pair({}, {"cached": True})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert str(find_model(MODEL)) == "/cached/modelscope"
    assert first.calls == second.calls == []
