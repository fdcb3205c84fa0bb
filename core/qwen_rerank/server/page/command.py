"""Commands and code for the API, ready to run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from qwen_rerank.server.page.choice import Choice

MOST = 5
"""Documents in the command; more would hide how short it is."""


def curl(address: str, query: str, documents: Sequence[str], choice: Choice, *, key: bool) -> str:
    """A command for a shell, whatever characters the texts hold."""
    body: dict[str, object] = {"query": query, "documents": list(documents[:MOST])}
    body |= {"top_n": choice.top_n} if choice.top_n else {}
    body |= {"instruction": choice.instruction} if choice.instruction else {}
    sent = shlex.quote(json.dumps(body, ensure_ascii=False, indent=2))
    guard = "  -H 'Authorization: Bearer <key>' \\\n" if key else ""
    return (
        f"curl {shlex.quote(address + '/rerank')} \\\n"
        f"  -H 'Content-Type: application/json' \\\n{guard}  -d {sent}"
    )


def langchain(address: str, *, key: bool) -> str:
    """Code for this project's own adapter."""
    own_key = ', api_key="<key>"' if key else ""
    return f"""from langchain_qwen_rerank import QwenRerank

reranker = QwenRerank(base_url={address!r}{own_key}, top_n=5)
"""


def cohere(address: str, *, key: bool) -> str:
    """Code for the client of another service."""
    return f"""import cohere

client = cohere.ClientV2(api_key="{"<key>" if key else "none"}", base_url={address!r})
client.rerank(model="any", query="...", documents=["...", "..."])
"""
