# The two commands of this repository are `make book` and `make test`; `make help` lists the others.
PYTHON ?= python3
PROFILE ?= classroom
STORE ?=
COMPUTE ?= never
WORKERS ?= 2

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup book test test-fast lint bench fuzz refresh clean

help:  ## list the commands
	@echo "usage: make COMMAND [PROFILE=quick|classroom|paper] [STORE=folder] [COMPUTE=never|auto] [PYTHON=python3.12]"
	@sed -n 's/^\([a-z-]*\):.*## /  \1	/p' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv and install everything into it

# Installs once, and again when what is to be installed changes.
$(READY): pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "this Python cannot make a virtual environment (on Debian: apt-get install python3-venv)" >&2; exit 2; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -e '.[test]'
	@touch $@

book: $(READY)  ## build the book: _build/html/index.html
	$(VENV)/bin/mrinb book --profile $(PROFILE) --compute $(COMPUTE) $(if $(STORE),--store '$(STORE)')

# One thread a process: WORKERS of them, and the chapters that they run, share the cores.
test: chromium lint  ## check style and types, then run all tests
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist loadfile --durations 30 --durations-min 3

# No book is built and no browser opened: for the working loop.
test-fast: $(READY)  ## run the tests that need neither book nor browser
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist loadfile -m "not slow" --ignore tests/book

lint: $(READY)  ## check style, types, imports, notebooks, workflows, size of the published store
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/nbstripout --verify notebooks/*.ipynb
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(VENV)/bin/mrinb results verify

# The tests of the pages drive the system's Chromium.
.PHONY: chromium
chromium:
	@if [ -n "$$CHROMIUM" ]; then set -- "$$CHROMIUM"; else set -- chromium chromium-browser google-chrome; fi; \
	for name; do command -v "$$name" >/dev/null && exit; done; \
	echo "the tests of the pages need Chromium: apt-get install chromium, or set CHROMIUM" >&2; exit 2

# COUNT spoiled files, each read right or refused in one line.
COUNT ?= 50000
fuzz: $(READY)  ## read files spoiled at random, longer than the tests do
	MRINB_FUZZ=$(COUNT) OMP_NUM_THREADS=1 $(RUN) -m pytest -q tests/data/test_fuzz.py

bench: $(READY)  ## measure speeds against plain loops and print the ratios
	OMP_NUM_THREADS=1 $(RUN) -m benchmarks

refresh: book  ## write anew what is made and committed: list of references, pictures of chapters
	$(RUN) -m mrinb.publish.references
	$(RUN) -m mrinb.publish.pictures

clean:  ## remove what was built, not the results
	rm -rf _build runs .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
