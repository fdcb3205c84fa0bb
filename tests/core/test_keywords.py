"""The settings as keyword arguments, and what `help()` shows of them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel, SecretStr

from langchain_qwen_rerank import QwenRerank as LangChainRerank
from langchain_qwen_rerank.compressor import QwenRerankKeywords as LangChainKeywords
from llama_index_qwen_rerank import QwenRerank as LlamaIndexRerank
from llama_index_qwen_rerank.postprocessor import QwenRerankKeywords as LlamaIndexKeywords
from qwen_rerank import AdapterSettings, PromptSpec, RerankerSettings, ScorerSettings, load
from qwen_rerank.keywords import AdapterKeywords, RerankerKeywords, ScorerKeywords

PAIRS = [
    (ScorerSettings, ScorerKeywords),
    (RerankerSettings, RerankerKeywords),
    (AdapterSettings, AdapterKeywords),
    (LangChainRerank, LangChainKeywords),
    (LlamaIndexRerank, LlamaIndexKeywords),
]
WIDER = {"base_url", "api_key", "cache_url", "prompt"}
"""Settings that are stored as fewer types than a caller may give."""


@pytest.mark.parametrize(("settings", "keywords"), PAIRS)
def test_the_keywords_are_the_settings(settings: type[BaseModel], keywords: type) -> None:
    hints = get_type_hints(keywords)
    fields = {name: field.annotation for name, field in settings.model_fields.items()}
    assert hints.keys() == fields.keys()
    plain = fields.keys() - WIDER
    assert {n: _types(hints[n]) for n in plain} == {n: _types(fields[n]) for n in plain}


def test_a_caller_may_give_more_types_than_are_stored() -> None:
    hints = get_type_hints(ScorerKeywords)
    assert _types(hints["base_url"]) == {str, Sequence[str], type(None)}
    assert _types(hints["api_key"]) == {str, SecretStr, type(None)}
    assert _types(hints["prompt"]) == {str, PromptSpec, type(None)}
    load(base_url=["http://127.0.0.1:1", "http://127.0.0.1:2"], api_key="key", prompt="zerank")


def _types(annotation: Any) -> set[Any]:
    """The parts of a union, without the checks that pydantic adds to them."""
    if get_origin(annotation) in {Union, UnionType}:
        return set().union(*(_types(part) for part in get_args(annotation)))
    if hasattr(annotation, "__metadata__"):
        return _types(annotation.__origin__)
    return {annotation}


@pytest.mark.parametrize("adapter", [LangChainRerank, LlamaIndexRerank])
def test_help_shows_one_line_for_each_setting(adapter: type[BaseModel]) -> None:
    lines = [line.strip() for line in (inspect.getdoc(adapter) or "").splitlines()]
    for name in AdapterSettings.model_fields:
        [line] = [line for line in lines if line.startswith(f"{name}: ")]
        assert line.endswith("]"), "the default stands at the end"
    assert "Annotated" not in str(inspect.signature(adapter))
