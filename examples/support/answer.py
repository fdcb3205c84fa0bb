"""The last step of RAG: an answer from any OpenAI-compatible server."""

from __future__ import annotations

import os
from collections.abc import Sequence

import requests

TIMEOUT = 120  # seconds


def make_prompt(query: str, passages: Sequence[str]) -> str:
    """The context that an LLM gets, best passage first."""
    context = "\n\n".join(f"[{n}] {passage}" for n, passage in enumerate(passages, start=1))
    return f"Answer the question from these passages only.\n\n{context}\n\nQuestion: {query}"


def ask(base_url: str, prompt: str) -> str:
    """The server's first model answers; `OPENAI_API_KEY` is sent if it is set."""
    key = os.environ.get("OPENAI_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    models = requests.get(f"{base_url}/models", headers=headers, timeout=TIMEOUT)
    models.raise_for_status()
    body = {
        "model": models.json()["data"][0]["id"],
        "messages": [{"role": "user", "content": prompt}],
    }
    reply = requests.post(
        f"{base_url}/chat/completions", json=body, headers=headers, timeout=TIMEOUT
    )
    reply.raise_for_status()
    return str(reply.json()["choices"][0]["message"]["content"])
