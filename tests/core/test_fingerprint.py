"""What the cache knows a local model by: two revisions or number formats share no scores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from qwen_rerank import CachedScorer, ConfigError, FallbackScorer, LocalScorer, RemoteScorer
from qwen_rerank.scorers.local.revision import revision_of
from qwen_rerank.testing import FakeScorer
from tests.qwen3.models import save_causal

FINGERPRINT = """
import sys
from qwen_rerank import LocalScorer
print(LocalScorer(sys.argv[1], device="cpu").fingerprint())
"""


def test_a_model_that_was_trained_further_shares_no_scores(
    tmp_path: Path, qwen3_tokenizer: Tokenizer
) -> None:
    """The same folder holds other weights when the next process starts."""
    folder = tmp_path / "model"
    save_causal(folder, qwen3_tokenizer)
    before = _fingerprint_in_a_new_process(folder)
    assert _fingerprint_in_a_new_process(folder) == before
    save_causal(folder, qwen3_tokenizer, initializer_range=0.3)
    assert _fingerprint_in_a_new_process(folder) != before


def _fingerprint_in_a_new_process(folder: Path) -> str:
    command = [sys.executable, "-c", FINGERPRINT, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_number_formats_share_nothing_and_spellings_of_one_do(tiny_model: Path) -> None:
    def known_by(dtype: str | None) -> str:
        return LocalScorer(str(tiny_model), "cpu", dtype).fingerprint()

    assert known_by(None) == known_by("float32") == known_by("fp32")
    assert known_by(None) != known_by("bfloat16")
    assert LocalScorer(str(tiny_model), "cpu", max_length=99).fingerprint() != known_by(None)


def test_a_revision_of_a_hub_is_its_commit(tmp_path: Path) -> None:
    commit = tmp_path / "models--x--y" / "snapshots" / ("c0ffee" * 7)[:40]
    commit.mkdir(parents=True)
    assert revision_of(commit) == commit.name


@pytest.mark.parametrize("path", ["runs/snapshots/best", f"models--x--y/snapshots/{'z' * 40}"])
def test_a_folder_of_ones_own_is_known_by_what_it_holds(tmp_path: Path, path: str) -> None:
    folder = tmp_path / path
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    before = revision_of(folder)
    (folder / "config.json").write_text('{"trained": "further"}')
    assert revision_of(folder) != before


def test_what_is_no_file_tells_nothing(tmp_path: Path) -> None:
    before = revision_of(tmp_path)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "dangling.json").symlink_to("/nowhere")
    assert revision_of(tmp_path) == before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_revision_of_a_folder_is_what_it_holds(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    os.utime(copy / name, (1, 1))
    assert revision_of(copy) == revision_of(tiny_model)
    with (copy / name).open("ab") as file:
        file.write(b" ")
    assert revision_of(copy) != revision_of(tiny_model)


def test_of_large_files_the_time_is_looked_at(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading gigabytes would take longer than loading them."""
    monkeypatch.setattr("qwen_rerank.scorers.local.revision.READ_WHOLE", 0)
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    before = revision_of(copy)
    os.utime(copy / "model.safetensors", (1, 1))
    assert revision_of(copy) != before


def test_a_cache_above_a_fallback_knows_the_model_that_is_meant(tiny_model: Path) -> None:
    """Only its scores are remembered, and the other one is not loaded to be named."""
    first = LocalScorer(str(tiny_model), "cpu")
    both = FallbackScorer(first, LocalScorer("no/such-model"))
    assert both.fingerprint() == first.fingerprint()
    assert CachedScorer(both).fingerprint() == first.fingerprint()
    assert CachedScorer(both, identity="mine").fingerprint() == "mine"


def test_other_scorers_are_known_by_what_they_show() -> None:
    assert CachedScorer(FakeScorer()).fingerprint() == repr(FakeScorer())


def test_a_scorer_that_shows_nothing_needs_an_identity() -> None:
    """Its address is another scorer's as soon as it is gone."""
    with pytest.raises(ConfigError, match=r"Plain .* give CachedScorer an identity"):
        CachedScorer(Plain())
    with pytest.raises(ConfigError, match="identity"):
        CachedScorer(FallbackScorer(Plain(), FakeScorer())).score("a", ["b"])
    assert CachedScorer(Plain(), identity="plain").score("a", ["b"]) == [0.5]


class Plain:
    """Neither names itself nor shows what it is."""

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[float]:
        return [0.5] * len(documents)


def test_a_remote_scorer_is_known_by_what_its_scores_depend_on() -> None:
    one = RemoteScorer(["http://a", "http://b"], "m").fingerprint()
    patient = RemoteScorer(["http://b", "http://a"], "m", timeout=99, max_retries=9, canary=False)
    assert CachedScorer(patient).fingerprint() == one
    others = [
        RemoteScorer("http://a", "m"),
        RemoteScorer(["http://a", "http://b"], "other"),
        RemoteScorer(["http://a", "http://b"], "m", dialect="vllm"),
        RemoteScorer(["http://a", "http://b"], "m", template="client"),
        RemoteScorer(["http://a", "http://b"], "m", max_length=99),
    ]
    assert len({one, *(other.fingerprint() for other in others)}) == 6
