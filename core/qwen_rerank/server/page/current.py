"""The service that the page asks, and the model that it compares with.

Streamlit runs the page's script anew for each visitor and each click; a module that the
script imports is the same one every time.
"""

from __future__ import annotations

from qwen_rerank.server.page.other_model import OtherModel
from qwen_rerank.server.service import Service

service: Service | None = None
"""Set before the page is served."""
other: OtherModel | None = None
"""Set where the settings name a model to compare with."""
