"""The OpenAPI description tells exactly what the server takes and answers."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from qwen_rerank.testing import FakeScorer
from tests.server.running import serving

COMMAND = """
run {url}/openapi.json --header "Authorization: Bearer horse" --checks all
--phases examples,coverage,fuzzing --max-examples 10 --generation-deterministic
--continue-on-failure --warnings off --no-color
"""
CONFIGURATION = """
[[operations]]
include-path-regex = "/v[12]/rerank"
phases.coverage.enabled = false
"""
"""Their bodies are those of `/rerank`; going through them all takes the most time."""


@pytest.mark.slow
def test_valid_requests_are_accepted_and_others_refused_as_described(tmp_path: Path) -> None:
    """Schemathesis makes the requests, the same ones each time."""
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    file, key = str(tmp_path / "feedback.db"), SecretStr("horse")
    with serving(scorer=FakeScorer(), feedback=file, server_api_key=key) as server:
        arguments = shlex.split(COMMAND.format(url=server.url))
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "14 selected / 14 total" in done.stdout
