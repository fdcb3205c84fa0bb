"""What is wrong with the model folders that people have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.core.folders import (
    HIDDEN,
    TOKENS,
    Tensors,
    add,
    answer_tokens,
    change_tensors,
    configure,
    logit_score,
    to_classifier,
    write,
)


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
    add(folder, lm_head__weight=torch.ones(TOKENS, HIDDEN).cumsum(0))


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
    change_tensors(folder, lambda tensors: tensors.__delitem__("model.norm.weight"))


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
