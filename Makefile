# Everything a newcomer needs: make demo, make test. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
VIEWER = icemap/products/viewer_page/lib

# Fits are small: BLAS threads would only fight over the cores that the workers share.
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1

.PHONY: help install demo viewer test test-slow check docs notebooks lock wheels bench clean

help:
	@echo "make demo       the whole chain on the virtual Arctic, results in demo/"
	@echo "make viewer     the JavaScript libraries of the viewer, from npm"
	@echo "make test       the test suite"
	@echo "make test-slow  the statistical proofs and large runs"
	@echo "make check      ruff, mypy, and known holes in dependencies"
	@echo "make docs       the documentation site, into build/docs"
	@echo "make notebooks  execute the notebooks anew and keep their outputs"
	@echo "make bench      benchmarks, printed as ratios"
	@echo "make lock       resolve requirements.lock anew, and with it that of the image"
	@echo "make wheels     what the image is built from, into build/wheels"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/icemap demo --out demo

viewer:
	rm -rf $(VIEWER)
	mkdir -p $(VIEWER)
	cd $(VIEWER) && for package in ol@10.11.0 proj4@2.22.0 geotiff@3.0.5; do npm pack --silent $$package >/dev/null || exit 1; done
	cd $(VIEWER) && tar xzOf ol-10.11.0.tgz package/dist/ol.js > ol.js && tar xzOf ol-10.11.0.tgz package/ol.css > ol.css
	cd $(VIEWER) && tar xzOf proj4-2.22.0.tgz package/dist/proj4.js > proj4.js && tar xzOf geotiff-3.0.5.tgz package/dist-browser/geotiff.js > geotiff.js
	cd $(VIEWER) && for file in *.tgz; do echo "== $$file"; tar xzOf $$file --wildcards 'package/LICENSE*'; done > LICENSES.txt
	rm $(VIEWER)/*.tgz

test: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/audit_lock.py

docs: $(STAMP)
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d build/doctrees . build/docs
	@echo "build/docs/index.html"

notebooks: $(STAMP)
	$(BIN)/python tests/execute_notebooks.py

bench: $(STAMP)
	for file in tests/benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --extra cluster -c requirements.lock pyproject.toml -o deploy/image/requirements.lock

wheels: $(STAMP)
	rm -rf build/wheels
	$(BIN)/python -m pip download --quiet --require-hashes --no-deps --only-binary=:all: --requirement deploy/image/requirements.lock --dest build/wheels
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheels .

clean:
	rm -rf $(VENV) demo
