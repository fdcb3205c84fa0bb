"""Training data that every machine has: docstrings of the running Python, and a few sentences."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from training.sources import Pair

MODULES = [
    "argparse",
    "ast",
    "asyncio",
    "base64",
    "bisect",
    "calendar",
    "collections",
    "configparser",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "email",
    "enum",
    "fractions",
    "functools",
    "getpass",
    "glob",
    "gzip",
    "heapq",
    "html",
    "http.client",
    "http.server",
    "imaplib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "logging",
    "mailbox",
    "math",
    "mimetypes",
    "multiprocessing",
    "numbers",
    "operator",
    "os",
    "pathlib",
    "pickle",
    "platform",
    "plistlib",
    "pprint",
    "queue",
    "random",
    "re",
    "sched",
    "secrets",
    "shelve",
    "shlex",
    "shutil",
    "smtplib",
    "socket",
    "sqlite3",
    "statistics",
    "string",
    "subprocess",
    "tarfile",
    "tempfile",
    "textwrap",
    "threading",
    "timeit",
    "tokenize",
    "traceback",
    "types",
    "typing",
    "unittest",
    "urllib.parse",
    "urllib.request",
    "uuid",
    "wave",
    "weakref",
    "xml.dom.minidom",
    "zipfile",
]
CHINESE = Path(__file__).parent / "chinese.tsv"


def miniature() -> list[Pair]:
    """Query/passage pairs: a docstring's first line asks for the rest; Chinese by hand."""
    return [*_docstrings(), *_chinese()]


def _docstrings() -> Iterator[Pair]:
    seen = set()
    for name in MODULES:
        module = importlib.import_module(name)
        for member, value in sorted(vars(module).items()):
            text = " ".join((inspect.getdoc(value) or "").split()) if callable(value) else ""
            query, _, rest = text.partition(". ")
            if 15 < len(query) < 120 and len(rest) > 60 and text not in seen:
                seen.add(text)
                words = re.sub(r"[._]", " ", member)
                yield Pair(query, f"{words}: {rest[:800]}", name, "en", "docstrings")


def _chinese() -> Iterator[Pair]:
    for number, line in enumerate(CHINESE.read_text(encoding="utf-8").splitlines()):
        query, document = line.split("\t")
        yield Pair(query, document, f"zh-{number}", "zh", "chinese")
