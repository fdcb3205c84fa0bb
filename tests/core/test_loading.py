"""Loading a model folder: what is read, obeyed or refused by name, and what is shared."""

from __future__ import annotations

import gc
import json
import shutil
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from qwen_rerank import LocalScorer, ModelLoadError, PromptSpec
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER

Tensors = dict[str, Tensor]

QUERY, DOCUMENTS = "red planet", ["Mars is red.", "Venus is bright."]
HIDDEN = 256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the built-in model, to be changed."""
    return shutil.copytree(BUILTIN_FOLDER, tmp_path / "model")


def configure(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def write(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def change_tensors(folder: Path, change: Callable[[Tensors], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def add(folder: Path, **tensors: Tensor) -> None:
    named = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    change_tensors(folder, lambda all_: all_.update(named))


def scores(model: Path | str) -> list[float]:
    return LocalScorer(str(model), "cpu").score(QUERY, DOCUMENTS)


def to_classifier(folder: Path, rows: list[int], **config: Any) -> None:
    """Rows of the score layer are those of these tokens."""

    def change(tensors: Tensors) -> None:
        tensors["score.weight"] = tensors["model.embed_tokens.weight"][rows].clone()

    change_tensors(folder, change)
    configure(folder, architectures=["Qwen3ForSequenceClassification"], **config)


def answer_tokens() -> tuple[int, int]:
    from qwen_rerank.scorers.local.model_folder import read_tokenizer

    tokenizer = read_tokenizer(BUILTIN_FOLDER)
    yes, no = (tokenizer.encode(word, add_special_tokens=False).ids[0] for word in ("yes", "no"))
    return yes, no


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
    from qwen_rerank.scorers.local.model import shared_model

    with LocalScorer(str(folder), "cpu") as scorer:
        before = scorer.score(QUERY, DOCUMENTS)
        model = shared_model(str(folder), "cpu", None, ("yes", "no"))
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


def logit_score(folder: Path, **config: Any) -> None:
    kind = "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"
    write(folder, "modules.json", [{"path": "1_LogitScore", "type": kind}])
    write(folder, "1_LogitScore/config.json", config)


def test_the_folder_may_declare_the_scoring_that_is_used(folder: Path) -> None:
    yes, no = answer_tokens()
    logit_score(folder, true_token_id=yes, false_token_id=no)
    template = "{% if role == 'query' %}<Query>:{% elif role == 'document' %}<Document>:{% endif %}"
    write(folder, "chat_template.jinja", template)
    assert scores(folder) == scores("builtin")


def other_answers(folder: Path) -> None:
    logit_score(folder, true_token_id=5, false_token_id=6)


def one_answer(folder: Path) -> None:
    logit_score(folder, true_token_id=answer_tokens()[0], false_token_id=None)


def modules_outside(folder: Path) -> None:
    write(folder, "modules.json", [{"path": "../x", "type": "a.LogitScore"}])


def pooling(folder: Path) -> None:
    write(folder, "modules.json", [{"path": "1_Pooling", "type": "models.Pooling"}])


def unknown_labels(folder: Path) -> None:
    to_classifier(folder, [0, 1], id2label={"0": "cat", "1": "dog"})


def no_head(folder: Path) -> None:
    def change(tensors: Tensors) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("model.")] = tensors.pop(name)

    change_tensors(folder, change)


def other_template(folder: Path) -> None:
    write(folder, "chat_template.jinja", "{% if role == 'document' %}Passage:{% endif %}")


# tensors that nobody reads


def int8(folder: Path) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    change_tensors(folder, lambda t: t.update({name: t[name].to(torch.int8)}))


def scale(folder: Path) -> None:
    add(folder, model__layers__0__mlp__up_proj__weight_scale=torch.ones(1))


def lora(folder: Path) -> None:
    add(folder, model__layers__0__mlp__up_proj__lora_A__weight=torch.ones(2, HIDDEN))


def score_bias(folder: Path) -> None:
    to_classifier(folder, [0])
    add(folder, score__bias=torch.ones(1))


def fewer_layers(folder: Path) -> None:
    configure(folder, num_hidden_layers=4, layer_types=["full_attention"] * 4)


def other_head(folder: Path) -> None:
    add(folder, lm_head__weight=torch.ones(16384, HIDDEN).cumsum(0))


def other_head_shape(folder: Path) -> None:
    add(folder, lm_head__weight=torch.ones(9, HIDDEN))


def packed_integers(folder: Path) -> None:
    add(folder, model__layers__0__mlp__up_proj__qweight=torch.ones(2, 2))


def packed_zeros(folder: Path) -> None:
    add(folder, model__layers__0__mlp__up_proj__qzeros=torch.ones(2, 2))


def classifier_weights(folder: Path) -> None:
    add(folder, score__weight=torch.ones(1, HIDDEN))


def unknown_tensor(folder: Path) -> None:
    add(folder, vision__weight=torch.ones(2))


def no_norm(folder: Path) -> None:
    change_tensors(folder, lambda t: t.pop("model.norm.weight"))


def three_labels(folder: Path) -> None:
    to_classifier(folder, [0, 1, 2])


def few_rows(folder: Path) -> None:
    """As a vocabulary that was cut, with the whole tokenizer."""
    name = "model.embed_tokens.weight"
    change_tensors(folder, lambda t: t.update({name: t[name][:1000].clone()}))
    configure(folder, vocab_size=1000)


# files


def adapter(folder: Path) -> None:
    write(folder, "adapter_config.json", {"peft_type": "LORA"})


def model_optimizer(folder: Path) -> None:
    write(folder, "hf_quant_config.json", {})


def quantised(folder: Path) -> None:
    configure(folder, quantization_config={"quant_method": "fp8"})


def pointer(name: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        write(folder, name, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")

    return harm


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def untied(folder: Path) -> None:
    configure(folder, tie_word_embeddings=False)


def classifier_config(folder: Path) -> None:
    configure(folder, architectures=["Qwen3ForSequenceClassification"])


def narrow(folder: Path) -> None:
    configure(folder, intermediate_size=500)


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def missing_shard(folder: Path) -> None:
    name = "model-00001-of-00002.safetensors"
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    write(folder, "model.safetensors.index.json", {"weight_map": {"a": name}})


def empty_index(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    write(folder, "model.safetensors.index.json", {"metadata": {}})


def half_a_download(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100_000])


def broken(name: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        write(folder, name, '{"half')

    return harm


def with_config(**values: Any) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        configure(folder, **values)

    return harm


def listed_logit_score(folder: Path) -> None:
    logit_score(folder)
    write(folder, "1_LogitScore/config.json", [])


# folders from strangers


def indexed(name: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "evil.bin")
        write(folder, "model.safetensors.index.json", {"weight_map": {"a": name}})

    return harm


def endless(name: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/zero")

    return harm


def deep(folder: Path) -> None:
    write(folder, "config.json", "[" * 500_000)


def large(folder: Path) -> None:
    write(folder, "config.json", " " * (17 << 20))


def million_layers(folder: Path) -> None:
    configure(folder, num_hidden_layers=10**6)


def thousand_layers(folder: Path) -> None:
    configure(folder, num_hidden_layers=1000)


def huge(folder: Path) -> None:
    configure(folder, head_dim=2**40)


REFUSED: list[tuple[Callable[[Path], None], str]] = [
    (other_answers, r"scores by the tokens 5 .* and 6 .*, not by .*PromptSpec"),
    (one_answer, r"scores by the tokens .* and None, not by"),
    (modules_outside, "names '../x', which is no folder in it"),
    (pooling, "an embedding model"),
    (unknown_labels, "id2label must name one label 'yes' and the other 'no', .*cat"),
    (no_head, "a model without a head"),
    (other_template, "has a role for documents and no '<Document>:'"),
    (int8, r"up_proj\.weight holds numbers of type I8: quantised .* base_url"),
    (scale, r"unknown tensors .*weight_scale.*: quantised"),
    (lora, "unknown tensors .*lora_A.*merge it"),
    (score_bias, "unknown tensors .*score.bias.*no bias"),
    (fewer_layers, r"unknown tensors .*layers\.4.*config.json describes fewer"),
    (other_head, "another lm_head.weight"),
    (adapter, "adapter_config.json: a LoRA adapter .*merge it"),
    (model_optimizer, "hf_quant_config.json: quantised"),
    (quantised, r"quantization_config \(fp8\): quantised .* base_url"),
    (pointer("model.safetensors"), "model.safetensors is a Git LFS pointer.*git lfs pull"),
    (pointer("tokenizer.json"), "tokenizer.json is a Git LFS pointer.*git lfs pull"),
    (pointer("config.json"), "config.json is a Git LFS pointer.*git lfs pull"),
    (no_tokenizer, "holds no tokenizer.json: copy it from the base model"),
    (untied, "lack lm_head.weight, .*tie_word_embeddings: set it to true"),
    (classifier_config, r'set "architectures": \["Qwen3ForCausalLM"\]'),
    (narrow, r"_proj.weight has the shape \[512, 256\], \[500, 256\] is wanted"),
    (indexed("evil.bin"), "names 'evil.bin': only safe tensors are read"),
    (indexed("../model/evil.bin"), "'../model/evil.bin', which is no file of this folder"),
    (indexed("/dev/zero"), "'/dev/zero', which is no file of this folder"),
    (endless("model.safetensors"), "holds no model.safetensors"),
    (endless("tokenizer.json"), "holds no tokenizer.json"),
    (endless("config.json"), "holds no config.json"),
    (deep, "nested too deeply"),
    (large, "more than 16 MB"),
    (million_layers, "num_hidden_layers must be a whole number from 1 to 1024, it is 1000000"),
    (thousand_layers, r"lack layers\.5 to layers\.999"),
    (huge, "has the shape"),
    (other_head_shape, r"lm_head.weight has the shape \[9, 256\], \[16384, 256\] is wanted"),
    (packed_integers, r"unknown tensors .*qweight.*: quantised"),
    (packed_zeros, r"unknown tensors .*qzeros.*: quantised"),
    (classifier_weights, "unknown tensors .*score.weight.*name .*Qwen3ForSequenceClassification"),
    (unknown_tensor, "unknown tensors .*vision.weight.*not a Qwen3 reranker as published"),
    (no_norm, r"lack \['model.norm.weight'\] \(1 in all\): are the files complete"),
    (three_labels, "has 1 or 2 labels, .* has 3"),
    (few_rows, "the tokenizer has 16384 tokens, the model 1000"),
    (no_config, "holds no config.json: give a model folder"),
    (no_weights, "holds no model.safetensors: only safe tensors are read; convert"),
    (missing_shard, "holds no model-00001-of-00002.safetensors"),
    (empty_index, "must hold a weight_map"),
    (half_a_download, "model.safetensors can't be read: .*download it again"),
    (broken("config.json"), "config.json can't be read"),
    (broken("tokenizer.json"), "tokenizer.json can't be read"),
    (broken("modules.json"), "modules.json can't be read"),
    (with_config(architectures=["LlamaForCausalLM"]), r"names \['LlamaForCausalLM'\]"),
    (with_config(architectures=None), "must name the architecture .*, it names None"),
    (with_config(use_sliding_window=True), "sets use_sliding_window"),
    (with_config(num_hidden_layers="5"), "num_hidden_layers must be a whole number"),
    (with_config(max_position_embeddings=0), "max_position_embeddings must be a whole number"),
    (with_config(hidden_size="wide"), "config.json can't be read"),
    (with_config(quantization_config={"quant_method": "awq"}), r"\(awq\): quantised"),
    (listed_logit_score, "must hold an object, it holds list"),
]


@pytest.mark.parametrize(("harm", "message"), REFUSED)
def test_a_folder_is_refused_with_the_remedy(
    folder: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(folder)
    with pytest.raises(ModelLoadError, match=message) as raised:
        scores(folder)
    assert "\n" not in str(raised.value)


def test_answers_must_be_single_tokens(folder: Path) -> None:
    spec = PromptSpec(yes="certainly not one token")
    with pytest.raises(ModelLoadError, match="the answer 'certainly not one token' must be one"):
        LocalScorer(str(folder), "cpu", prompt=spec).score(QUERY, DOCUMENTS)


def test_a_prompt_of_its_own_is_what_a_template_is_compared_with(folder: Path) -> None:
    other_template(folder)
    spec = PromptSpec(document_marker="Passage:")
    assert len(LocalScorer(str(folder), "cpu", prompt=spec).score(QUERY, DOCUMENTS)) == 2
