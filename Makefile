# Every target works from a fresh clone with Python 3.11+ and Rust; VENV=/elsewhere shares a virtual environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find rust python -name '*.rs' -o -name '*.py' -o -name 'Cargo.toml') Cargo.toml Cargo.lock pyproject.toml

.PHONY: evolve dev test lint format bench clean

evolve: $(VENV)/.built  ## evolve images against the built-in MNIST network
	$(BIN)/neatfool evolve --model lenet-mnist --generations 1000

dev: $(VENV)/.built  ## virtual environment with neatfool, editable, and the tools to work on it

$(VENV)/.tools: pyproject.toml
	@command -v cargo >/dev/null || { echo "neatfool is built with Rust: install Rust 1.88 or newer from https://rustup.rs, open a new shell and run make again."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "neatfool needs Python 3.11 or newer: run make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "Installing PyTorch and the other dependencies; the first time this takes some minutes."
	$(BIN)/python -m pip install --quiet "maturin>=1.9,<2"
	touch $@

$(VENV)/.built: $(VENV)/.tools $(SOURCES)
	. $(BIN)/activate && maturin develop --release --extras dev --quiet
	touch $@

test: $(VENV)/.built  ## everything: Rust, Python, the slow ones too
	cargo test --workspace --quiet
	$(BIN)/python -m pytest

lint: $(VENV)/.built  ## formatting, lints, types
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff format --check python tests benches
	$(BIN)/ruff check python tests benches
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest neatfool._core

format: $(VENV)/.built
	cargo fmt --all
	$(BIN)/ruff format python tests benches
	$(BIN)/ruff check --fix python tests benches

bench: $(VENV)/.built  ## every benchmark of docs/benchmarks.md
	cargo bench --workspace
	. $(BIN)/activate && maturin develop --release --extras dev,bench --quiet
	$(BIN)/python benches/peers.py
	$(BIN)/python benches/loop.py --memory 2000
	$(BIN)/python benches/loop.py --backend openvino
	$(BIN)/python benches/ascent.py

clean:
	rm -rf $(VENV) target
