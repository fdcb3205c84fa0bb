"""llama.cpp's server, out of the package xllamacpp: `xllamacpp_server.py MODEL.gguf PORT TOKENS`.

Runs by the Python of the environment that has xllamacpp, and imports nothing else.
"""

from __future__ import annotations

import sys
import threading

import xllamacpp


def main() -> None:
    """Serve until a signal ends it."""
    model, port, tokens = sys.argv[1:]
    options = xllamacpp.CommonParams()
    options.model.path = model
    options.hostnames = ["127.0.0.1"]
    options.port = int(port)
    options.embedding = True
    options.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    options.n_ctx = options.n_batch = options.n_ubatch = int(tokens)
    options.n_parallel = 1  # slots share the context
    server = xllamacpp.Server(options)  # stops when it is collected
    threading.Event().wait()
    del server


if __name__ == "__main__":
    main()
