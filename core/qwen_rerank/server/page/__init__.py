"""The page: Streamlit, mounted into the server's app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qwen_rerank.extras import require_package
from qwen_rerank.server.page import current
from qwen_rerank.server.page.other_model import OtherModel
from qwen_rerank.server.service import Service

SCRIPT = Path(__file__).parent / "ui.py"


def make_page(service: Service) -> Any:
    """The ASGI app of the page; one in a process, for Streamlit has one runtime.

    Raises:
        MissingDependencyError: Streamlit is not installed.
    """
    require_package("streamlit", "ui")
    import streamlit
    from streamlit import config

    settings = service.settings
    current.service = service
    if settings.compare_model is not None:
        current.other = OtherModel(settings, settings.compare_model)
    page = streamlit.App(SCRIPT)
    # the settings beside the script know no host names
    config.set_option("server.allowedHosts", [] if settings.hosts == ["*"] else settings.hosts)
    return page
