"""Compares our local engine with its peers: `python -m benchmarks.local --help`."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks import texts
from benchmarks.measure import compare, threads
from benchmarks.model import build
from benchmarks.options import common_parser
from benchmarks.peers import Peers
from benchmarks.report import machine, write
from qwen_rerank.scorers.local.device import choose_device, choose_dtype


def main() -> None:
    """Build the model, measure, write the report."""
    options = _options()
    torch.set_num_threads(options.threads or torch.get_num_threads())
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    with tempfile.TemporaryDirectory() as scratch:
        folder = build(options.size, Path(options.model or scratch), dtype)
        peers = Peers(folder, device, dtype, compiled=options.compiled)
        about = {"command": f"python -m benchmarks.local {shlex.join(sys.argv[1:])}",
                 "size": options.size, "numbers": str(dtype), "rounds": options.rounds}  # fmt: skip
        rows = []
        for pair in options.cases:
            kind, count = pair.split(":")
            rows.append(compare(peers, kind, int(count), options.rounds, set(options.without)))
            print(
                write(options.out, options.name, options.plot, about | machine(), rows), flush=True
            )
        if options.callers:
            about["threads at once"] = threads(peers, options.callers, 5, options.rounds)
            print(
                write(options.out, options.name, options.plot, about | machine(), rows), flush=True
            )


def _options() -> argparse.Namespace:
    parser = common_parser(__doc__)
    parser.add_argument("--device")
    parser.add_argument("--dtype")
    parser.add_argument("--threads", type=int)
    parser.add_argument(
        "--cases",
        nargs="+",
        default=[f"{kind}:{count}" for kind in texts.KINDS for count in (1, 10, 50, 200)],
        help=f"kind:candidates, kinds are {', '.join(texts.KINDS)}",
    )
    parser.add_argument("--compiled", action="store_true", help="ours once more, compiled")
    parser.add_argument("--callers", type=int, default=8, help="threads at once; 0 = skip")
    parser.add_argument("--without", nargs="*", default=[], help="peers to leave out")
    parser.add_argument("--name", default="local")
    parser.add_argument("--plot", type=Path, help="SVG file to draw the peers' times in")
    return parser.parse_args()


if __name__ == "__main__":
    main()
