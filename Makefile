# Everything a newcomer needs: make demo, make test. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: help install demo test test-slow check lock bench clean

help:
	@echo "make demo       the whole chain on the virtual Arctic, results in demo/"
	@echo "make test       the test suite"
	@echo "make test-slow  the statistical proofs and large runs"
	@echo "make check      ruff and mypy"
	@echo "make bench      benchmarks, printed as ratios"
	@echo "make lock       resolve requirements.lock anew"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/icemap demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest -q

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	for file in tests/benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) demo
