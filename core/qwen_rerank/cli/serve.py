"""`qwen-rerank serve`: the page and the REST API, on one port."""

from __future__ import annotations

import argparse
import os
from typing import Any

from qwen_rerank.cli.options import add_flags, given_settings
from qwen_rerank.extras import require_extras
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.settings import VARIABLE

KEY_VARIABLE = f"{VARIABLE}SERVER_API_KEY"
SCORING = (
    "model",
    "instruction",
    "device",
    "dtype",
    "max_length",
    "long_documents",
    "prompt",
    "engine",
    "compiled",
    "max_candidates",
    "candidates_by",
    "on_error",
)
"""What decides on scores in this process; where a remote server is, is for its clients."""
SERVING = (
    "host",
    "port",
    "compare_model",
    "allowed_hosts",
    "cors_origin",
    "max_connections",
    "max_documents",
    "max_text",
    "max_body",
    "max_queue",
    "deadline",
    "cache_ttl",
    "cache_url",
    "feedback",
)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("serve", help="serve a web page and a REST API")
    add_flags(parser.add_argument, ServerSettings, (*SERVING, *SCORING))
    parser.add_argument(
        "--no-ui", dest="ui", action="store_const", const="false", default=argparse.SUPPRESS,
        help="serve the REST API only",
    )  # fmt: skip
    parser.add_argument(
        "--feedback-texts", action="store_const", const="true", default=argparse.SUPPRESS,
        help="keep queries and documents in that file, too; an export needs them",
    )  # fmt: skip
    parser.add_argument(
        "--api-key", dest="server_api_key", default=argparse.SUPPRESS, metavar="KEY",
        help=f"ask clients for this key; it shows in the process list, {KEY_VARIABLE} does not",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    settings = ServerSettings(**given_settings(arguments, ServerSettings))
    require_extras(*_extras(settings))
    from qwen_rerank.server.lifecycle import serve

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # or it warns after a fork
    serve(settings, lambda line: print(line, flush=True))


def _extras(settings: ServerSettings) -> list[str]:
    """What these settings need, so that one message names all that is missing."""
    wanted = {"local": settings.base_url is None, "server": True, "ui": settings.ui}
    return [extra for extra, needed in wanted.items() if needed]
