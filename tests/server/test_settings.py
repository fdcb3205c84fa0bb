"""What the server is told, by flags and by variables."""

from __future__ import annotations

import pytest

from qwen_rerank.server.settings import ServerSettings


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
