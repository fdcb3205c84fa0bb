#!/usr/bin/env bash
# One command on a fresh machine: environment, packages, model, then the page and its REST API.
#
#   ./start.sh                      http://127.0.0.1:8080
#   ./start.sh --port 9000 --no-ui  any option of `qwen-rerank serve`
#   VENV=/elsewhere ./start.sh      an environment of your own
set -euo pipefail
cd "$(dirname "$0")"

VENV=${VENV:-.venv}
TORCH=${TORCH:-torch==2.13.0}
BIN=$VENV/bin
DONE=$VENV/.served

find_python() {
    local name
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "start.sh needs Python 3.11 or newer; name one with PYTHON=/path/to/python3" >&2
    return 1
}

# a port that is taken is known before anything is installed or downloaded
check_port() {
    local python=$BIN/python
    [[ -x $python ]] || python=$(find_python)
    "$python" - "$@" <<'END'
import argparse, os, socket, sys

parser = argparse.ArgumentParser(prog="start.sh", usage=argparse.SUPPRESS, add_help=False)
parser.add_argument("--host", default=os.environ.get("QWEN_RERANK_HOST", "127.0.0.1"))
parser.add_argument("--port", default=os.environ.get("QWEN_RERANK_PORT", "8080"), type=int)
at, others = parser.parse_known_args()
if {"-h", "--help"} & {*others}:
    sys.exit()
with socket.socket(socket.AF_INET6 if ":" in at.host else socket.AF_INET) as listening:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((at.host, at.port))
    except (OSError, OverflowError) as error:
        where = f"{at.host}:{at.port}"
        sys.exit(f"start.sh: can't listen on {where}: {error}; choose another port with --port")
END
}

# torch comes first, so that no other package chooses its build
install() {
    local python
    python=$(find_python)
    echo "Setting up $VENV, which takes some minutes the first time"
    if ! "$python" -m venv "$VENV"; then
        echo "Python can't make environments here; on Debian: apt-get install python3-venv" >&2
        return 1
    fi
    "$BIN/python" -m pip install --quiet --upgrade "pip>=25.1"
    if command -v nvidia-smi >/dev/null; then
        echo "NVIDIA GPU: torch comes with CUDA"
    else
        echo "No NVIDIA GPU: $TORCH, the CPU build if pip is offered one"
        "$BIN/python" -m pip install "$TORCH"
    fi
    "$BIN/python" -m pip install --editable ".[local,ui,modelscope]"
    touch "$DONE"
}

# whether the caller has said what is to score
is_chosen() {
    [[ -n ${QWEN_RERANK_MODEL:-} ]] && return
    local option
    for option; do
        case $option in --model | --model=* | -h | --help) return ;; esac
    done
    return 1
}

check_port "$@"
if [[ ! -e $DONE || pyproject.toml -nt $DONE ]]; then
    install
fi

chosen=()
if ! is_chosen "$@"; then
    chosen=(--model "$("$BIN/python" -m qwen_rerank.server.first_model)")
fi
exec "$BIN/qwen-rerank" serve "${chosen[@]}" "$@"
