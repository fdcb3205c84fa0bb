"""The key of a server: checked early, shown never."""

from __future__ import annotations

from pydantic import SecretStr

from qwen_rerank.errors import ConfigError


def checked_key(api_key: SecretStr | str) -> SecretStr:
    """The key without the line break that key files end in.

    Raises:
        ConfigError: It is blank or can't be sent in a header; the message does not repeat it.
    """
    text = api_key if isinstance(api_key, str) else api_key.get_secret_value()
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ConfigError("api_key must hold printable ASCII characters only")
    return SecretStr(text)
