"""Reads a PDF in a process of its own, within limits on CPU time and memory.

A small PDF can ask for unlimited work: forms that draw forms, streams that unpack to gigabytes,
a million lines to search for tables. The system can limit a process, and a file that breaks the
parser does no harm to the caller's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qwen_rerank.errors import InvalidInputError
from qwen_rerank.extras import require_package
from qwen_rerank.splitting.pdf_page import PdfPart

WORKER = "qwen_rerank.splitting.pdf_worker"
MB = 2**20
SECONDS, SECONDS_PER_MB = 30, 100
"""CPU time for a file: so much, and so much more for each MB of it."""
MEMORY, MEMORY_PER_MB = 1024 * MB, 4 * MB
"""Address space for a file, in bytes, likewise."""


def read_pages(file: str | Path) -> Iterator[list[PdfPart]]:
    """The parts of each page, in the order of the pages.

    Raises:
        InvalidInputError: The file can't be opened, is no PDF, is encrypted or damaged, or
            takes more time or memory than the limits allow.
        MissingDependencyError: pdfplumber is not installed.
    """
    require_package("pdfplumber", "splitting")
    try:
        source = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidInputError(f"{file}: {error.strerror}") from None
    with source:
        yield from _Reading(str(file), source, *_limits(source)).pages()


def _limits(source: IO[bytes]) -> tuple[int, int]:
    """CPU seconds and bytes of memory for a file of this size."""
    megabytes = -(-os.fstat(source.fileno()).st_size // MB)
    return SECONDS + SECONDS_PER_MB * megabytes, MEMORY + MEMORY_PER_MB * megabytes


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file while it is read."""

    name: str
    source: IO[bytes]
    seconds: int
    memory: int

    def pages(self) -> Iterator[list[PdfPart]]:
        """Start the process and take its lines until it ends."""
        with self._start() as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            try:
                for line in process.stdout:
                    yield self._parts(line)
                status = process.wait()
            finally:
                process.kill()  # for a caller who stops early
        if status:
            raise InvalidInputError(f"{self.name}: {self._ending(status)}")

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", WORKER, str(self.seconds), str(self.memory)]
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.Popen(  # noqa: S603 - nothing of it comes from the file
            command, stdin=self.source, stdout=subprocess.PIPE, env=environment
        )

    def _parts(self, line: bytes) -> list[PdfPart]:
        reply = json.loads(line) if line.endswith(b"\n") else {"page": []}  # cut off by its end
        if "error" in reply:
            raise InvalidInputError(f"{self.name}: {self._problem(**reply)}")
        return [PdfPart(**part) for part in reply["page"]]

    def _problem(self, error: str, message: str = "") -> str:
        if error == "encrypted":
            return "is encrypted; save it without a password first"
        if error == "memory":
            return f"takes more than {self.memory // MB} MB of memory to read"
        return f"is no PDF or a damaged one: {message}"

    def _ending(self, status: int) -> str:
        if status == -getattr(signal, "SIGXCPU", 0):
            return f"takes more than {self.seconds} seconds of CPU time to read"
        return f"the process that read it ended with status {status}"
