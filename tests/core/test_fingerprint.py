"""Fingerprints: two revisions or number formats of a model share no remembered scores."""

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
    before = LocalScorer(str(folder), device="cpu").fingerprint()
    assert _fingerprint_in_a_new_process(folder) == before
    save_causal(folder, qwen3_tokenizer, initializer_range=0.3)
    assert _fingerprint_in_a_new_process(folder) != before


def _fingerprint_in_a_new_process(folder: Path) -> str:
    command = [sys.executable, "-c", FINGERPRINT, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_number_format_changes_the_fingerprint_but_not_its_spelling(
    tiny_model: Path,
) -> None:
    def fingerprint(dtype: str | None) -> str:
        return LocalScorer(str(tiny_model), "cpu", dtype).fingerprint()

    assert fingerprint(None) == fingerprint("float32") == fingerprint("fp32")
    assert fingerprint(None) != fingerprint("bfloat16")
    assert LocalScorer(str(tiny_model), "cpu", max_length=99).fingerprint() != fingerprint(None)


def test_the_revision_of_a_hub_snapshot_is_its_commit(tmp_path: Path) -> None:
    commit = tmp_path / "models--x--y" / "snapshots" / ("c0ffee" * 7)[:40]
    commit.mkdir(parents=True)
    assert revision_of(commit) == commit.name


@pytest.mark.parametrize("path", ["runs/snapshots/best", f"models--x--y/snapshots/{'z' * 40}"])
def test_a_folder_like_a_snapshot_is_identified_by_its_files(tmp_path: Path, path: str) -> None:
    folder = tmp_path / path
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    before = revision_of(folder)
    (folder / "config.json").write_text('{"trained": "further"}')
    assert revision_of(folder) != before


def test_entries_that_are_not_files_do_not_change_the_revision(tmp_path: Path) -> None:
    before = revision_of(tmp_path)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "dangling.json").symlink_to("/nowhere")
    assert revision_of(tmp_path) == before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_the_revision_of_a_folder_changes_with_its_files(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    os.utime(copy / name, (1, 1))
    assert revision_of(copy) == revision_of(tiny_model)
    with (copy / name).open("ab") as file:
        file.write(b" ")
    assert revision_of(copy) != revision_of(tiny_model)


def test_the_revision_changes_with_the_time_of_large_files(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading gigabytes would take longer than loading them."""
    monkeypatch.setattr("qwen_rerank.scorers.local.revision.READ_WHOLE", 0)
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    before = revision_of(copy)
    os.utime(copy / "model.safetensors", (1, 1))
    assert revision_of(copy) != before


def test_a_fallback_has_the_fingerprint_of_its_first_scorer(tiny_model: Path) -> None:
    """Only its scores are remembered. The other model is not loaded."""
    first = LocalScorer(str(tiny_model), "cpu")
    both = FallbackScorer(first, LocalScorer("no/such-model"))
    assert both.fingerprint() == first.fingerprint()
    assert CachedScorer(both).fingerprint() == first.fingerprint()
    assert CachedScorer(both, identity="mine").fingerprint() == "mine"


def test_the_fingerprint_of_a_users_scorer_is_its_repr() -> None:
    assert CachedScorer(FakeScorer()).fingerprint() == repr(FakeScorer())


def test_a_scorer_without_a_fingerprint_needs_an_identity() -> None:
    """Its address may become the address of another scorer."""
    with pytest.raises(ConfigError, match=r"Plain has no fingerprint.* identity"):
        CachedScorer(Plain())
    with pytest.raises(ConfigError, match="identity"):
        CachedScorer(FallbackScorer(Plain(), FakeScorer())).score("a", ["b"])
    assert CachedScorer(Plain(), identity="plain").score("a", ["b"]) == [0.5]


class Plain:
    """Has neither a fingerprint nor a repr of its own."""

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[float]:
        return [0.5] * len(documents)


def test_the_fingerprint_of_a_remote_scorer_holds_what_its_scores_depend_on() -> None:
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
