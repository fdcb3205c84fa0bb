"""What the application refuses, and what Serve is told; no cluster is started."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from qwen_rerank import ConfigError, MissingDependencyError
from qwen_rerank.ray import app
from qwen_rerank.ray.settings import FleetSettings


def options(**settings: Any) -> Any:
    """What Serve is told of the deployment."""
    pytest.importorskip("ray.serve", reason="Ray is not installed")
    return app(FleetSettings(**settings))._bound_deployment  # noqa: SLF001 - Serve has no other


@pytest.mark.parametrize(
    "given", [{"ui": True}, {"feedback": "file.sqlite3"}, {"base_url": "http://localhost:1"}]
)
def test_what_replicas_can_not_share_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(given))} is for one server"):
        FleetSettings(**given)


def test_words_of_a_command_line_become_settings() -> None:
    settings = FleetSettings.model_validate(
        {"model": "builtin", "replicas": "2", "num_gpus": "0.5"}
    )
    assert (settings.replicas, settings.num_gpus) == (2, 0.5)
    with pytest.raises(ValueError, match="did you mean 'replicas'"):
        FleetSettings.model_validate({"replica": "2"})
    with pytest.raises(ConfigError, match="at least replicas, 3, got 2"):
        FleetSettings(replicas=3, max_replicas=2)


def test_serve_scales_by_ongoing_requests_and_bounds_the_queue() -> None:
    fixed, scaled = options(replicas=3), options(max_replicas=4, num_gpus=0.5)
    assert fixed.num_replicas == 3
    assert scaled._deployment_config.autoscaling_config.max_replicas == 4  # noqa: SLF001
    assert scaled.ray_actor_options["num_gpus"] == 0.5
    assert scaled.max_queued_requests > 0
    assert scaled._deployment_config.backpressure_config.retry_after_s > 0  # noqa: SLF001
    assert scaled._deployment_config.graceful_shutdown_timeout_s > FleetSettings().deadline  # noqa: SLF001


def test_the_key_stays_out_of_what_is_shown() -> None:
    settings = FleetSettings(server_api_key=SecretStr("sk-secret"))
    assert "sk-secret" not in f"{settings!r} {settings.model_dump_json()}"


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_rerank.extras.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"\[server,ray\]"):
        app(FleetSettings())
