"""Model folders that are refused, each with the remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qwen_rerank import QWEN3, Answer, LocalScorer, ModelLoadError, PromptSpec
from tests.core import harms
from tests.core.folders import DOCUMENTS, QUERY, scores

REFUSED: list[tuple[Callable[[Path], None], str]] = [
    (harms.other_answers, r"scores by the tokens 5 .* and 6 .*, not by .*PromptSpec"),
    (harms.one_answer, r"scores by the tokens .* and None, not by"),
    (harms.modules_outside, "names '../x', which is no folder in it"),
    (harms.pooling, "an embedding model"),
    (harms.unknown_labels, "id2label must name one label 'yes' and the other 'no', .*cat"),
    (harms.no_head, "a model without a head"),
    (harms.other_template, "has a role for documents and no '<Document>:'"),
    (harms.int8, r"up_proj\.weight holds numbers of type I8: quantised .* base_url"),
    (harms.scale, r"unknown tensors .*weight_scale.*: quantised"),
    (harms.lora, "unknown tensors .*lora_A.*merge it"),
    (harms.score_bias, "unknown tensors .*score.bias.*no bias"),
    (harms.fewer_layers, r"unknown tensors .*layers\.4.*config.json describes fewer"),
    (harms.other_head, "another lm_head.weight"),
    (harms.adapter, "adapter_config.json: a LoRA adapter .*merge it"),
    (harms.model_optimizer, "hf_quant_config.json: quantised"),
    (harms.quantised, r"quantization_config \(fp8\): quantised .* base_url"),
    (harms.pointer("model.safetensors"), "model.safetensors is a Git LFS pointer.*git lfs pull"),
    (harms.pointer("tokenizer.json"), "tokenizer.json is a Git LFS pointer.*git lfs pull"),
    (harms.pointer("config.json"), "config.json is a Git LFS pointer.*git lfs pull"),
    (harms.no_tokenizer, "holds no tokenizer.json: copy it from the base model"),
    (harms.untied, "lack lm_head.weight, .*tie_word_embeddings: set it to true"),
    (harms.classifier_config, r'set "architectures": \["Qwen3ForCausalLM"\]'),
    (harms.narrow, r"_proj.weight has the shape \[448, 384\], \[500, 384\] is wanted"),
    (harms.indexed("evil.bin"), "names 'evil.bin': only safe tensors are read"),
    (harms.indexed("../model/evil.bin"), "'../model/evil.bin', which is no file of this folder"),
    (harms.indexed("/dev/zero"), "'/dev/zero', which is no file of this folder"),
    (harms.endless("model.safetensors"), "holds no model.safetensors"),
    (harms.endless("tokenizer.json"), "holds no tokenizer.json"),
    (harms.endless("config.json"), "holds no config.json"),
    (harms.deep, "nested too deeply"),
    (harms.large, "more than 16 MB"),
    (
        harms.million_layers,
        "num_hidden_layers must be .* from 1 to 1024, it is 1000000",
    ),
    (harms.thousand_layers, r"lack layers\.6 to layers\.999"),
    (harms.huge, "has the shape"),
    (harms.other_head_shape, r"lm_head.weight has the shape \[9, 384\], \[24013, 384\] is wanted"),
    (harms.packed_integers, r"unknown tensors .*qweight.*: quantised"),
    (harms.packed_zeros, r"unknown tensors .*qzeros.*: quantised"),
    (
        harms.classifier_weights,
        "unknown tensors .*score.weight.*Qwen3ForSequenceClassification",
    ),
    (harms.unknown_tensor, "unknown tensors .*vision.weight.*not a Qwen3 reranker as published"),
    (harms.no_norm, r"lack \['model.norm.weight'\] \(1 in all\): are the files complete"),
    (harms.three_labels, "has 1 or 2 labels, .* has 3"),
    (harms.few_rows, "the tokenizer has 24013 tokens, the model 1000"),
    (harms.no_config, "holds no config.json: give a model folder"),
    (harms.no_weights, "holds no model.safetensors: only safe tensors are read; convert"),
    (harms.missing_shard, "holds no model-00001-of-00002.safetensors"),
    (harms.empty_index, "must hold a weight_map"),
    (harms.half_a_download, "model.safetensors can't be read: .*download it again"),
    (harms.broken("config.json"), "config.json can't be read"),
    (harms.broken("tokenizer.json"), "tokenizer.json can't be read"),
    (harms.broken("modules.json"), "modules.json can't be read"),
    (harms.with_config(architectures=["LlamaForCausalLM"]), r"names \['LlamaForCausalLM'\]"),
    (harms.with_config(architectures=None), "must name the architecture .*, it names None"),
    (harms.with_config(use_sliding_window=True), "sets use_sliding_window"),
    (harms.with_config(num_hidden_layers="5"), "num_hidden_layers must be a whole number"),
    (
        harms.with_config(max_position_embeddings=0),
        "max_position_embeddings must be a whole",
    ),
    (harms.with_config(hidden_size="wide"), "config.json can't be read"),
    (harms.with_config(quantization_config={"quant_method": "awq"}), r"\(awq\): quantised"),
    (harms.listed_logit_score, "must hold an object, it holds list"),
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
    spec = PromptSpec(answer=Answer("certainly not one token"))
    with pytest.raises(ModelLoadError, match="the answer 'certainly not one token' must be one"):
        LocalScorer(str(folder), "cpu", prompt=spec).score(QUERY, DOCUMENTS)


def test_a_prompt_of_its_own_is_what_a_template_is_compared_with(folder: Path) -> None:
    harms.other_template(folder)
    spec = replace(QWEN3, template=QWEN3.template.replace("<Document>:", "Passage:"))
    assert len(LocalScorer(str(folder), "cpu", prompt=spec).score(QUERY, DOCUMENTS)) == 2


def test_the_base_models_chat_template_says_nothing_of_documents(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m }}{% endfor %}")
    assert len(scores(folder)) == 2
