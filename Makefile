# make demo and make test do all the set-up by themselves; run again, they start in seconds.

SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
DONE := $(VENV)/.installed
TORCH ?= torch==2.13.0

.PHONY: help demo test check lint types wheel bench train-smoke clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(DONE) ## The FAISS RAG demo on the built-in model, without any hub
	$(BIN)/python -m examples.faiss_rag_demo

test: $(DONE) ## Every test that can run here, in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: lint types test wheel ## Everything: style, types, contracts, tests, the wheel by itself

lint: $(DONE) ## Style and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=core:. $(BIN)/lint-imports --no-logo

types: $(DONE) ## mypy --strict
	$(BIN)/mypy

wheel: $(DONE) ## Build the wheel and test it away from the source, with each extra
	$(BIN)/python -m tests.wheel.check

bench: $(DONE) ## The local engine against its peers, hours on a small CPU; see benchmarks/README.md
	$(BIN)/pip install -q --group bench
	PYTHONPATH=core:. $(BIN)/python -m benchmarks.local

train-smoke: $(DONE) ## The recipe of the built-in model, whole and in miniature
	PYTHONPATH=core:. $(BIN)/python -m training.smoke

clean: ## Remove the environment and what was built
	rm -rf $(VENV) build dist

# torch comes first, so that no other package chooses its build
$(DONE): pyproject.toml
	@echo "Setting up $(VENV), which takes some minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@if command -v nvidia-smi >/dev/null; then echo "NVIDIA GPU: torch comes with CUDA"; \
	else echo "No NVIDIA GPU: $(TORCH), the CPU build if pip is offered one"; \
	$(BIN)/python -m pip install "$(TORCH)"; fi
	$(BIN)/python -m pip install --editable ".[all]" --group check
	@touch $@
