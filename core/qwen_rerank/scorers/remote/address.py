"""Where a server is: its base URL, its route, and the dialect of a known host."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from qwen_rerank.errors import ConfigError
from qwen_rerank.scorers.remote.dialects import DIALECTS, Dialect

_ROUTE_ENDS = {"rerank", "reranks", "reranking", "ranking", "score", "text-rerank"}
_KNOWN_HOSTS = {
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.jina.ai": "jina",
    "api.siliconflow.cn": "siliconflow",
    "api.siliconflow.com": "siliconflow",
    "api.voyageai.com": "voyage",
    "api.deepinfra.com": "deepinfra",
    "aliyuncs.com": "dashscope",
}


def checked_base_url(url: str) -> str:
    """The URL of a server, without the slash at its end.

    Raises:
        ConfigError: It is no plain http(s) URL. The message does not repeat it, for
            people put keys into URLs.
    """
    wanted = "base_url must be a URL such as 'http://localhost:8000'"
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = None
    if not known:
        raise ConfigError(f"{wanted}; this one has no http(s) scheme or no valid host and port")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(f"{wanted}, without user, query or fragment; a key goes into api_key")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def is_full(base_url: str) -> bool:
    """Whether a URL names a route for reranking, and not only where a server is."""
    return urlsplit(base_url).path.rpartition("/")[2] in _ROUTE_ENDS


def route(base_url: str, path: str, model: str) -> str:
    """The URL to post to; a base URL may hold the route's beginning, or be a full URL."""
    if is_full(base_url):
        return base_url
    wanted = path.format(model=quote(model)).strip("/").split("/")
    parts = urlsplit(base_url)
    given = [part for part in parts.path.split("/") if part]
    shared = max(n for n in range(len(wanted)) if n == 0 or given[-n:] == wanted[:n])
    path = "/".join([*given, *wanted[shared:]])
    return urlunsplit((parts.scheme, parts.netloc, f"/{path}", "", ""))


def known_dialect(base_url: str) -> Dialect | None:
    """The dialect of a public service, known by its host's name."""
    parts = urlsplit(base_url)
    for host, name in _KNOWN_HOSTS.items():
        if f".{parts.hostname}".endswith(f".{host}"):
            compatible = name == "dashscope" and "/compatible-" in parts.path
            return DIALECTS["dashscope-compatible" if compatible else name]
    return None
