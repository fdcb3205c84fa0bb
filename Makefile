# make demo and make test do all the set-up by themselves; run again, they start in seconds.

SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
DONE := $(VENV)/.installed
DEMO := $(VENV)/.demo
TORCH ?= torch==2.13.0

LOWEST := $(VENV)-lowest
AUDIT := $(VENV)/audit.txt
LOWEST_TESTS := core/test_reranker.py core/test_parity.py langchain llama_index techniques/test_splitting.py \
	server/test_bad_input.py server/test_shapes.py server/test_page.py server/test_mounted.py
ALIASES := $(dir $(wildcard aliases/*/pyproject.toml))
IN_TWO := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test check lint types lowest audit wheel docs release bench bench-gpu train-smoke clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(DEMO) ## The FAISS RAG demo on the built-in model, without any hub
	$(BIN)/python -m examples.faiss_rag_demo

test: $(DONE) ## Every test that can run here, in two processes
	$(BIN)/python -m pytest $(IN_TWO)

check: lint types test lowest audit wheel ## Everything: style, types, contracts, tests, lowest versions, audit, the wheel

lint: $(DONE) ## Style and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=core:. $(BIN)/lint-imports --no-logo

types: $(DONE) ## mypy --strict
	$(BIN)/mypy

lowest: $(LOWEST)/.installed ## Core, adapters and server on the lowest versions that pyproject.toml admits
	$(LOWEST)/bin/python -m pytest -q $(IN_TWO) -m "not slow" $(addprefix tests/,$(LOWEST_TESTS))

audit: $(DONE) ## Known vulnerabilities of what is installed; says so where their database is out of reach
	@$(BIN)/pip-audit --skip-editable --progress-spinner off >$(AUDIT) 2>&1 || true
	@if grep -q "^Found" $(AUDIT); then cat $(AUDIT); exit 1; fi
	@if grep -q -e "could not be audited" -e "Error" $(AUDIT); \
	then echo "Vulnerability audit skipped: its database is out of reach, see $(AUDIT)"; \
	else cat $(AUDIT); fi

wheel: $(DONE) ## Build the wheel and test it away from the source, with each extra
	$(BIN)/python -m tests.wheel.check

docs: $(DONE) ## The documentation site, into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

release: check ## Build dist/ after every check; .github/workflows/release.yml publishes it
	rm -rf dist
	$(BIN)/python -m build
	for alias in $(ALIASES); do $(BIN)/python -m build --wheel --outdir dist $$alias || exit; done
	$(BIN)/python -m twine check --strict dist/*

bench: $(DONE) ## The local engine against its peers, hours on a small CPU; see benchmarks/README.md
	$(PIP) install -q --group bench
	PYTHONPATH=core:. $(BIN)/python -m benchmarks.local

bench-gpu: $(DONE) ## The local engine against its peers on this machine's GPU, at most six minutes
	$(PIP) install -q --group bench
	PYTHONPATH=core:. $(BIN)/python -m benchmarks.gpu

train-smoke: $(DONE) ## The recipe of the built-in model, whole and in miniature
	PYTHONPATH=core:. $(BIN)/python -m training.smoke

clean: ## Remove the environment and what was built
	rm -rf $(VENV) $(LOWEST) build dist

# UV_TORCH_BACKEND=cpu spares the CUDA build of torch, where download.pytorch.org is in reach
$(LOWEST)/.installed: pyproject.toml $(DONE)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
		--editable ".[all]" --group test
	@touch $@

# torch comes first, so that no other package chooses its build; -qq prints errors only
define SET_UP
	@echo "[1/3] creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq --upgrade "pip>=25.1"
	@if command -v nvidia-smi >/dev/null; then echo "[2/3] torch with CUDA comes with the packages"; \
	else echo "[2/3] installing $(TORCH)"; $(PIP) install -qq $(TORCH); fi
endef

$(DONE): pyproject.toml
	$(SET_UP)
	@echo "[3/3] installing all packages and the tools for tests, which takes some minutes"
	@$(PIP) install -qq --editable ".[all]" --group check
	@touch $@ $(DEMO)

$(DEMO): pyproject.toml
	$(SET_UP)
	@echo "[3/3] installing what the demo needs"
	@$(PIP) install -qq --editable ".[local]" --group demo
	@touch $@
