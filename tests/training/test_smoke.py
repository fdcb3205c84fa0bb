"""The whole recipe in miniature."""

from pathlib import Path

import pytest

from training.smoke import smoke


@pytest.mark.slow
def test_recipe_runs_from_texts_to_a_shipped_folder(tmp_path: Path) -> None:
    smoke(tmp_path, steps=2)
    shipped = {path.name for path in (tmp_path / "shipped").iterdir()}
    assert shipped == {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "SHA256SUMS",
    }
