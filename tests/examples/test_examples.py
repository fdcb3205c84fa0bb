"""Every example runs as its first lines say."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from examples.support.cases import read_cases
from examples.support.show import cut

ROOT = Path(__file__).parents[2]


def run(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"examples.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["langchain_faiss", "llama_index_faiss"])
def test_a_short_example_finds_the_answers(module: str) -> None:
    lines = run(module).splitlines()
    assert "Refunds for damaged goods" in lines[1]
    assert "客户投诉" in lines[5]


def test_the_demo_shows_every_question_and_says_where_it_got_worse(tmp_path: Path) -> None:
    picture = tmp_path / "demo.png"
    lines = run("faiss_rag_demo", "--plot", str(picture)).splitlines()
    ranks = [line.split("rank ")[1].split(" -> ") for line in lines if "key document: rank" in line]
    tops = [line for line in lines if line.startswith(("  FAISS top 3: ", "  Reranked top 3: "))]
    hits = [int(line.split(": ")[1][0]) for line in tops]
    before, after = hits[::2], hits[1::2]
    assert len(ranks) == len(before) == len(after) == 10
    worse = [
        late < early or int(low) < int(high)
        for early, late, (low, high) in zip(before, after, ranks, strict=True)
    ]
    assert sum(line.startswith("  Worse: ") for line in lines) == sum(worse)
    assert f"  answers in the top 3, mean: {sum(before) / 10} -> {sum(after) / 10}" in lines
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("cut between two words", "cut …"),
        ("两个字之间可以截断", "两个字之 …"),
        ("unbreakableword", " …"),
    ],
)
def test_a_long_text_is_cut_between_words(text: str, shown: str) -> None:
    assert cut(text, 10) == shown


def test_the_cases_hold_ten_candidates_with_two_or_three_answers() -> None:
    cases = read_cases()
    assert len(cases) == 10
    for case in cases:
        assert len(case.documents) == 10
        assert 2 <= len(case.relevant) <= 3
        assert case.key in case.relevant


class Chat(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that repeats the first passage of its prompt."""

    def do_GET(self) -> None:
        self._reply({"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        lines = asked["messages"][0]["content"].splitlines()
        first = next(line for line in lines if line.startswith("[1] "))
        self._reply({"choices": [{"message": {"content": f"I read {first}"}}]})

    def _reply(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def test_an_llm_answers_from_a_corpus_of_notes(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Refunds\n\nA refund takes five days.\n\nCats purr.")
    server = HTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    arguments = ["--corpus", str(tmp_path), "--query", "How long is a refund?"]
    url = f"http://127.0.0.1:{server.server_port}"
    output = run("faiss_rag_demo", *arguments, "--llm-base-url", url)
    server.shutdown()
    assert output.splitlines()[-1] == "I read [1] A refund takes five days."


def test_the_documentation_inside_python_is_a_corpus() -> None:
    output = run(
        "faiss_rag_demo", "--corpus", "stdlib", "--query", "Recursively copy a directory tree"
    )
    assert "shutil.copytree" in output
