"""The threads that talk to servers: none is left behind, and none is missed."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

import qwen_rerank
from langchain_qwen_rerank import QwenRerank
from qwen_rerank import ScorerUnavailableError
from tests.remote.faults import FAULTS, Fault
from tests.remote.servers import own
from tests.remote.test_faults import DOCUMENTS, QUERY, scorer_of
from tests.server.running import wait_until


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.hangs], ids=str)
def test_no_thread_is_left_behind(fault: Fault) -> None:
    """The server goes on for 20 s and more; the thread that reads its reply does not."""
    with fault.serve() as url:
        with pytest.raises(ScorerUnavailableError):
            scorer_of(url).score(QUERY, DOCUMENTS)
        wait_until(lambda: not threads_in_an_exchange())


def threads_in_an_exchange() -> list[int]:
    """The threads that wait for a server."""
    frames = sys._current_frames()  # noqa: SLF001 - the documented name
    stacks = {thread: traceback.extract_stack(frame) for thread, frame in frames.items()}
    return [t for t, stack in stacks.items() if any("scorers/remote" in f.filename for f in stack)]


async def test_a_cancelled_call_gives_its_threads_back() -> None:
    """The server takes the connections and sends nothing; the timeout is far away."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings: dict[str, Any] = {"dialect": "qwen-rerank", "canary": False, "timeout": 600}
        compressor = QwenRerank(base_url=url, **settings)
        found = [Document("red")]
        calls = [
            asyncio.create_task(compressor.acompress_documents(found, f"query {number}"))
            for number in range(20)
        ]
        await asyncio.to_thread(wait_until, lambda: len(threads_in_an_exchange()) == 2 * 20)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.to_thread(wait_until, lambda: not threads_in_an_exchange())


SCRIPT = """
import threading
from qwen_rerank import RemoteScorer

def work():
    threading.main_thread().join()
    print(RemoteScorer("{url}", "m").score("red wine", ["red"]))

threading.Thread(target=work).start()
"""


def test_a_thread_that_outlives_the_main_thread_still_gets_scores() -> None:
    """Executors start nothing once the main thread has ended."""
    with own() as server:
        code = SCRIPT.format(url=server.url)
        folder = Path(qwen_rerank.__file__).parents[1]
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=folder,
        )
    assert (done.stdout, done.stderr) == ("[0.5]\n", "")
