"""Hand-set weights: ordinary Qwen3 weights that rank by matching words before any training.

The residual stream is divided into named channels (`training.layout`). Layer by layer:

0. Every token learns whether it stands after ``<Query>:`` and after ``<Document>:``, what the token
   before it was, and the topics just before it; the MLP multiplies: rarity, if inside the query.
1. Every token looks for equal tokens (head 0), for equal pairs with the token before (head 1) and
   for words of similar letters (head 2). It always finds itself, so a match is a *share*: a query
   word seen first in the document takes a quarter of the attention, seen again a seventh: BM25's
   saturation of term frequency. What it brings home is the rarity of the query word.
2. The same by topic (head 0) and by the teacher's meaning (heads 1 and 2).
3. Free.
4. Every token, above all the last, gathers the matches over the document. A sink of fixed weight
   (the first tokens of the turns) turns the softmax's average into sum / (sink + length), BM25's
   length normalisation. That is the score; the rows of yes and no read it.
5. Free, as is everything not named here: small and random.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from training.codes import Codes
from training.heads import THETA, Head
from training.layout import CHANNELS, IDENTITY, LETTERS, MEANING, RESERVED, TOPIC, at
from training.prompt import DOCUMENT_MARK, QUERY_MARK
from training.tokenizer import CONTROL, MARKS

LEVEL = 4.0  # the value of a flag that is on, of the constant, of the rarest token's rarity
TYPICAL = 0.8  # about the root mean square of the residual stream, which the norms divide by
SATURATION = 0.42  # see _prefer_document
SINK = 1.25  # the start tokens weigh about as much as 120 tokens of the document
SHARPNESS = [2.5, 1.9, 1.9, 1.2, 1.5, 1.2]  # weights of the query and key norms, layer by layer


def make_config(vocabulary: int, layers: int = 6, mlp: int = 448) -> Qwen3Config:
    """The shape; every head has 64 dimensions, most of which hardly turn (see `THETA`)."""
    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=384,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=6,
        num_key_value_heads=6,
        head_dim=64,
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
        tie_word_embeddings=True,
        use_cache=True,
    )


def wire(config: Qwen3Config, tokenizer: PreTrainedTokenizerFast, codes: Codes) -> Qwen3ForCausalLM:
    """A network that matches words, ready for training."""
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config).float()
    with torch.no_grad():
        for layer, sharpness in zip(model.model.layers, SHARPNESS, strict=True):
            _soften(layer, sharpness)
        model.model.embed_tokens.weight.copy_(_embedding(tokenizer, codes, config.hidden_size))
        _mark_places(model.model.layers[0])
        _multiply(model.model.layers[0].mlp)
        _match_words(model.model.layers[1])
        _match_topics(model.model.layers[2])
        _match_meanings(model.model.layers[2])
        _gather(model.model.layers[4])
    return model


def _soften(layer: Any, sharpness: float) -> None:
    """Free weights: small, and at first writing into the free channels only."""
    layer.self_attn.q_norm.weight.fill_(sharpness)
    layer.self_attn.k_norm.weight.fill_(sharpness)
    for output in (layer.self_attn.o_proj, layer.mlp.down_proj):
        output.weight *= 0.3
        output.weight[:RESERVED] = 0


def _embedding(tokenizer: PreTrainedTokenizerFast, codes: Codes, width: int) -> Tensor:
    """(V, width): the codes at their lengths, the constant, the flags."""
    table = np.zeros((len(tokenizer), width), dtype=np.float32)
    table[:, CHANNELS["identity"]] = 6 * codes.identity
    table[:, CHANNELS["letters"]] = 4 * codes.letters
    table[:, CHANNELS["topic"]] = 5 * codes.topic
    table[:, CHANNELS["meaning"]] = 6 * codes.meaning
    table[:, at("constant")] = LEVEL
    table[:, at("rarity")] = LEVEL * codes.rarity
    ids = {text: tokenizer.convert_tokens_to_ids(text) for text in [*CONTROL, *MARKS, "yes", "no"]}
    table[[ids[text] for text in CONTROL + MARKS], at("rarity")] = 0
    table[ids[QUERY_MARK], at("query_mark")] = LEVEL
    table[ids[DOCUMENT_MARK], at("document_mark")] = LEVEL
    table[ids["<|im_start|>"], at("start")] = LEVEL
    table[ids["yes"]] = table[ids["no"]]
    for answer, sign in (("yes", 1), ("no", -1)):
        table[ids[answer], at("score")] = sign
        table[ids[answer], at("constant")] -= 0.75 * sign  # no is the answer where nothing matches
    return torch.from_numpy(table)


def _mark_places(layer: Any) -> None:
    for index, mark in enumerate(("query", "document")):
        head = Head(layer, index)
        head.ask({0: -1.0, 1: 1.0})
        head.offer("constant", 0, 1.0)
        head.offer(f"{mark}_mark", 1, 20.0)
        head.carry(f"{mark}_mark", f"after_{mark}", TYPICAL)
    before = Head(layer, 2)
    before.look_back(1, {0: 0.5, 1: 0.35, 2: 0.15})
    before.carry("identity", "previous", TYPICAL)
    before.carry("rarity", "previous_rarity", TYPICAL)
    around = Head(layer, 3)
    around.look_back(1, {1: 0.05, 2: 0.2, 3: 0.3}, rest=0.45)
    around.carry("topic", "context", TYPICAL)


def _multiply(mlp: Any) -> None:
    """Two hidden units: (is it in the query?) x rarity, of the token and of the pair."""
    for unit, (sources, target) in enumerate(
        [(["rarity"], "asked"), (["rarity", "previous_rarity"], "asked_pair")]
    ):
        for weight in (mlp.gate_proj.weight, mlp.up_proj.weight):
            weight[unit] = 0
        mlp.down_proj.weight[:, unit] = 0
        mlp.gate_proj.weight[unit, at("after_query")] = 3 * TYPICAL
        mlp.gate_proj.weight[unit, at("after_document")] = -3 * TYPICAL
        mlp.gate_proj.weight[unit, at("constant")] = -1.5 * TYPICAL
        for source in sources:
            mlp.up_proj.weight[unit, at(source)] = TYPICAL
        mlp.down_proj.weight[at(target), unit] = 1 / 6


def _match_words(layer: Any) -> None:
    word = Head(layer, 0)
    word.compare("identity", range(IDENTITY))
    _prefer_document(word)
    word.carry("asked", "hit_word", TYPICAL)
    pair = Head(layer, 1)
    _compare_pairs(pair)
    _prefer_document(pair)
    pair.carry("asked_pair", "hit_pair", TYPICAL)
    letters = Head(layer, 2)
    letters.compare("letters", range(LETTERS))
    _prefer_query(letters, LETTERS, length=4, near=0.5)
    letters.carry("asked", "hit_letters", TYPICAL)


def _compare_pairs(head: Head) -> None:
    """Half of the dimensions for the token, half for the one before, by random projections."""
    half = IDENTITY // 2
    draw = np.random.default_rng(1).standard_normal((IDENTITY, half))
    rows = torch.from_numpy(np.linalg.qr(draw)[0].T.astype(np.float32))
    head.compare_by(rows, "identity", range(half))
    head.compare_by(rows, "previous", range(half, IDENTITY))


def _prefer_document(head: Head) -> None:
    """Equal tokens of the document weigh about three times as much as those of the query.

    So the first match of a word counts 1/4, the second 1/7: a sharper saturation.
    """
    head.ask({IDENTITY: SATURATION})
    head.offer("after_document", IDENTITY, SATURATION)


def _match_topics(layer: Any) -> None:
    head = Head(layer, 0)
    head.compare("topic", range(TOPIC))
    _prefer_query(head, TOPIC, length=5, near=0.4)
    head.carry("asked", "hit_topic", TYPICAL)


def _match_meanings(layer: Any) -> None:
    """Two heads, each on 48 of the 96 strongest directions of the teacher's meanings."""
    half = 48
    for index, name in enumerate(("hit_meaning", "hit_other_meaning")):
        head = Head(layer, 1 + index)
        rows = torch.zeros(half, MEANING)
        rows[range(half), range(index, 2 * half, 2)] = 1.0
        head.compare_by(rows, "meaning", range(half))
        _prefer_query(head, half, length=4, near=0.5)
        head.carry("asked", name, TYPICAL)


def _prefer_query(head: Head, dimension: int, length: float, near: float) -> None:
    """Keys of the query are preferred, so that a likeness above ``near`` beats the token itself.

    ``length`` is that of the compared codes. With a share p of the squared length for the
    preference, the query's token has (1 - p) cos + p, the token itself (1 - p) - p.
    """
    share = (1 - near) / (3 - near)
    weight = length / LEVEL * math.sqrt(share / (1 - share))
    head.ask({dimension: weight})
    head.offer("after_query", dimension, 2 * weight)
    head.offer("after_document", dimension, -2 * weight)
    head.offer("constant", dimension, -weight)


def _gather(layer: Any) -> None:
    gains = {
        "word": 1.0,
        "pair": 0.7,
        "letters": 0.06,
        "topic": 0.04,
        "meaning": 0.1,
        "other_meaning": 0.1,
    }
    total = Head(layer, 0)
    total.ask({0: 1.0})
    total.offer("after_document", 0, 0.6)
    total.offer("start", 0, SINK)
    total.offer("constant", 1, 1.0)
    for kind, gain in gains.items():
        total.carry(f"hit_{kind}", f"sum_{kind}", 10 * TYPICAL)
        total.carry(f"hit_{kind}", "score", 60 * gain * TYPICAL)
    asked = Head(layer, 3)
    asked.ask({0: 1.0})
    asked.offer("after_query", 0, 1.0)
    asked.offer("after_document", 0, -1.0)
    asked.offer("start", 0, 1.8)
    asked.offer("constant", 1, 1.0)
    asked.carry("asked", "sum_asked", 10 * TYPICAL)
