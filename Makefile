# Every target works from a fresh clone with Python 3.11+ and Rust. VENV=/elsewhere puts the virtual environment elsewhere,
# PYTHON=/path/to/python3.12 makes it with another Python.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The build backend of scripts/ is maturin's own with a word for those who lack Rust.
export MATURIN_NO_MISSING_BUILD_BACKEND_WARNING = 1
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
SOURCES := $(shell find rust -path '*/fuzz' -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print) Cargo.toml Cargo.lock pyproject.toml
CHECKED := python tests benches examples scripts
PROCESSES = $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() + 1))')
# The processors that `make wheels` builds for.
TARGETS ?= x86_64 aarch64

# An environment that another clone was built into, or a compiled core that is gone, has to be built again.
BUILT := $(and $(filter $(CURDIR),$(shell cat $(VENV)/.built 2>/dev/null)),$(wildcard python/neatfool/_core*.so))

# $(call install,LIST): the packages of a list in pyproject.toml, which is the dictionary p.
install = $(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); print(*$(1), sep="\n")' \
	> $(VENV)/requirements.txt && $(PIP) install -r $(VENV)/requirements.txt
extra = p["project"]["optional-dependencies"]["$(1)"]

.PHONY: help evolve dev test notebooks lint format docs wheels release-check bench torture audit clean always
.NOTPARALLEL:

help:  ## this list
	@awk -F ':.*##  *' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

evolve: $(VENV)/.built  ## evolve images against the built-in MNIST network; needs nothing but Python and Rust
	@echo "Evolving images that the built-in network takes for digits"
	@$(BIN)/neatfool evolve --model lenet-mnist --generations 1000

dev: $(VENV)/.built $(VENV)/.tools  ## the environment to work in: neatfool, editable, with the tools for tests and lints

test: dev  ## everything: Rust, Python, the slow tests too
	cargo test --workspace --quiet
	# A thread a process: threads of several processes would wait for one another. One process more than cores, because some tests wait.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadgroup

notebooks: dev  ## run the notebooks of examples/
	OMP_NUM_THREADS=1 PATH="$$(cd $(BIN) && pwd):$$PATH" $(BIN)/python -m pytest --nbmake --nbmake-timeout=900 examples

lint: dev  ## formatting, lints, types, workflows; licences and sources of Rust's dependencies where cargo-deny is installed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest neatfool._core
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --no-progress --min-severity medium .github/workflows
	@if command -v actionlint > /dev/null; then actionlint; fi
	@if command -v cargo-deny > /dev/null; then cargo deny check licenses bans sources; fi

format: dev  ## format, and mend what the linters can
	cargo fmt --all
	$(BIN)/ruff format $(CHECKED)
	$(BIN)/ruff check --fix $(CHECKED)

docs: $(VENV)/.built  ## the site, in site/; links that lead nowhere fail
	@$(call install,$(call extra,docs))
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

wheels: $(VENV)/.created  ## wheels for Linux, TARGETS="x86_64 aarch64", and the sdist, in dist/
	@$(call install,$(call extra,release))
	@rm -rf dist
	@for target in $(TARGETS); do \
		{ command -v rustup > /dev/null && rustup target add $$target-unknown-linux-gnu > /dev/null 2>&1 || true; } && \
		PATH="$$(cd $(BIN) && pwd):$$PATH" $(BIN)/maturin build --release --locked --quiet --zig \
			--compatibility manylinux_2_28 --target $$target-unknown-linux-gnu --out dist || exit 1; \
	done
	@$(BIN)/maturin sdist --out dist
	@for wheel in dist/*.whl; do $(BIN)/auditwheel show $$wheel | grep -E 'platform tag: "manylinux_2_(17|28)_' || exit 1; done

release-check: $(VENV)/.created  ## version, changelog, tag and metadata of what `make wheels` built
	@$(call install,$(call extra,release))
	$(BIN)/python scripts/release_check.py dist
	$(BIN)/twine check --strict dist/*

bench: dev  ## every benchmark of docs/benchmarks.md
	@$(call install,$(call extra,bench))
	cargo bench --workspace
	$(BIN)/python benches/peers.py
	$(BIN)/python benches/loop.py --memory 2000
	$(BIN)/python benches/loop.py --backend openvino
	$(BIN)/python benches/ascent.py

torture: dev  ## kills, faults, hostile files, fuzzing: the table of docs/reliability.md; takes hours
	@$(call install,$(call extra,torture))
	$(BIN)/python tests/torture/run.py

audit: dev  ## known vulnerabilities, licences and sources of all dependencies; asks GitHub and PyPI
	@command -v cargo-deny > /dev/null || cargo install --locked cargo-deny
	cargo deny check
	@$(PIP) install pip-audit
	$(BIN)/python -m pip_audit --skip-editable --progress-spinner off

clean:  ## remove the environment and everything built
	rm -rf $(VENV) target dist site

$(VENV)/.created:
	@cargo --version 2>/dev/null | awk -v least=$(RUST) '{split($$2, v, ".")} \
		END {split(least, l, "."); exit !(v[1] > l[1] || v[1] == l[1] && v[2] >= l[2])}' || { echo \
		"neatfool is built with Rust $(RUST) or newer: install it from https://rustup.rs (or run rustup update), open a new" \
		"shell and run make again."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"neatfool needs Python 3.11 or newer: run make again with PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Creating the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@touch $@

$(VENV)/.dependencies: $(VENV)/.created pyproject.toml
	@echo "Installing PyTorch and the other dependencies (the first time this takes some minutes)"
	@$(call install,p["build-system"]["requires"] + p["project"]["dependencies"])
	@touch $@

$(VENV)/.tools: $(VENV)/.dependencies
	@echo "Installing the tools for tests and lints"
	@$(call install,$(call extra,dev))
	@touch $@

$(VENV)/.built: $(VENV)/.dependencies $(SOURCES) $(if $(BUILT),,always)
	@echo "Building the Rust core"
	@PATH="$$(cd $(BIN) && pwd):$$PATH" $(PIP) install --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@
