"""Loading a model folder: what is read, obeyed or refused by name, and what is shared."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from qwen_rerank import LocalScorer
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER
from tests.core.folders import (
    DOCUMENTS,
    QUERY,
    Tensors,
    answer_tokens,
    change_tensors,
    configure,
    logit_score,
    scores,
    to_classifier,
    write,
)

# what is read


def test_the_embedding_serves_where_a_tied_model_lacks_the_head(folder: Path) -> None:
    """And a head that is saved although it is tied changes nothing."""
    wanted = scores("builtin")
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    assert scores(folder) == wanted
    change_tensors(
        folder, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].clone()})
    )
    with LocalScorer(str(folder), "cpu") as scorer:
        scorer.unload()
        assert scorer.score(QUERY, DOCUMENTS) == wanted


def test_shards_are_read_as_the_index_names_them(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shards: list[Tensors] = [{}, {}]
    for place, (name, tensor) in enumerate(tensors.items()):
        shards[place % 2][name] = tensor
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        save_file(shard, folder / f"model-0000{number}-of-00002.safetensors")
        weight_map.update(dict.fromkeys(shard, f"model-0000{number}-of-00002.safetensors"))
    write(folder, "model.safetensors.index.json", {"weight_map": weight_map})
    assert scores(folder) == scores("builtin")


def test_an_attention_kernel_that_a_folder_names_is_not_fetched(folder: Path) -> None:
    kernel = "kernels-community/no-such-kernel"
    configure(folder, attn_implementation=kernel, _attn_implementation=kernel)
    assert scores(folder) == scores("builtin")


def test_two_models_load_beside_a_users_own_model(tmp_path: Path) -> None:
    """transformers changes classes of the whole process while it loads a model."""
    from transformers import AutoModelForCausalLM

    stop = threading.Event()

    def load_own() -> None:
        while not stop.is_set():
            AutoModelForCausalLM.from_pretrained(BUILTIN_FOLDER)

    own = threading.Thread(target=load_own)
    own.start()
    try:
        copies = [shutil.copytree(BUILTIN_FOLDER, tmp_path / str(n)) for n in range(4)]
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(scores, copies))
    finally:
        stop.set()
        own.join()
    assert found == [scores("builtin")] * 4


def test_unloading_frees_the_weights(folder: Path) -> None:
    from qwen_rerank.scorers.local.model import model_key, shared_model

    with LocalScorer(str(folder), "cpu") as scorer:
        before = scorer.score(QUERY, DOCUMENTS)
        model = shared_model(model_key(str(folder), "cpu", None, None))
        engine = weakref.ref(model.engine)
        del model
    gc.collect()
    assert engine() is None
    assert scorer.score(QUERY, DOCUMENTS) == before


# what a folder says about its own scoring


def test_the_labels_of_a_classifier_are_obeyed(tmp_path: Path) -> None:
    yes, no = answer_tokens()
    plain = shutil.copytree(BUILTIN_FOLDER, tmp_path / "plain")
    to_classifier(plain, [no, yes], id2label={"0": "LABEL_0", "1": "LABEL_1"})
    inverted = shutil.copytree(BUILTIN_FOLDER, tmp_path / "inverted")
    to_classifier(inverted, [yes, no], id2label={"0": "yes", "1": "no"})
    wanted = pytest.approx(scores("builtin"), abs=1e-6)
    assert scores(plain) == wanted
    assert scores(inverted) == wanted


def test_the_folder_may_declare_the_scoring_that_is_used(folder: Path) -> None:
    yes, no = answer_tokens()
    logit_score(folder, true_token_id=yes, false_token_id=no)
    template = "{% if role == 'query' %}<Query>:{% elif role == 'document' %}<Document>:{% endif %}"
    write(folder, "chat_template.jinja", template)
    assert scores(folder) == scores("builtin")
