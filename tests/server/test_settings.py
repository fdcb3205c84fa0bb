"""What the server is told, by flags and by variables."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from qwen_rerank import ConfigError
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer


def test_each_option_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key above all: a server whose key went unread would be open."""
    said = {"PORT": "9090", "SERVER_API_KEY": "horse", "FEEDBACK": "f.db", "FEEDBACK_TEXTS": "true"}
    for name, value in said.items():
        monkeypatch.setenv(f"QWEN_RERANK_{name}", value)
    settings = ServerSettings()
    assert settings.port == 9090
    assert settings.server_api_key
    assert settings.server_api_key.get_secret_value() == "horse"
    assert (settings.feedback, settings.feedback_texts) == ("f.db", True)
    assert ServerSettings(port=1).port == 1


def test_a_cache_in_redis_is_used_unless_its_time_is_zero() -> None:
    """Without one, the server remembers no scores."""
    assert ServerSettings().cache_ttl is None
    assert ServerSettings(cache_url=SecretStr("redis://localhost")).cache_ttl == 3600
    assert ServerSettings(cache_url=SecretStr("redis://localhost"), cache_ttl=0).cache_ttl == 0


@pytest.mark.parametrize("wrong", ["", " ", "密钥", "a\nb"])
def test_a_key_that_locks_nothing_is_refused(wrong: str) -> None:
    """An empty one would let everybody in who sends an empty token."""
    with pytest.raises(ConfigError, match="ASCII"):
        ServerSettings(server_api_key=SecretStr(wrong))


def test_a_key_file_may_end_in_a_line_break() -> None:
    key = ServerSettings(server_api_key=SecretStr("horse\n")).server_api_key
    assert key
    assert key.get_secret_value() == "horse"


def test_texts_need_a_file_to_keep_them_in() -> None:
    with pytest.raises(ConfigError, match="feedback_texts needs feedback"):
        Service(ServerSettings(scorer=FakeScorer(), feedback_texts=True))
