# Two commands do everything: `make run` starts Duologue, `make test` tests it.

PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
VENV := .venv
SDK := .venv-sdk
NODE_SDK := tests/conformance/node
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := uv pip compile -q --no-header --no-annotate --no-emit-index-url --python-version 3.11 \
  --python-platform x86_64-manylinux_2_34
PAGE_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: run test check lint types imports page-check tests requirements clean
.DELETE_ON_ERROR:

## Install what is missing, build the page, start the server. ARGS="--port 9000" passes options on.
run: $(VENV)/.installed
	$(BIN)/duologue serve $(ARGS)

## Install what the tests need, Chromium included, and run everything that CI runs.
test: $(VENV)/.tools $(SDK)/.installed $(NODE_SDK)/node_modules/.package-lock.json chromium check

## Everything that CI runs.
check: lint types imports page-check tests

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Duologue needs Python 3.11 or newer: install it, or name it with PYTHON=..."; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { echo "Install Python's venv first: apt install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(VENV)/bin/python requirements/run.txt pyproject.toml hatch_build.py $(PAGE_SOURCES)
	@echo "Installing what Duologue runs on (about 600 MB, once)"
	$(PIP) install --requirement requirements/run.txt
	@echo "Installing Duologue and building its page"
	$(PIP) install --no-deps --editable .
	@touch $@

# The model libraries come last: whatever wants torch must find the pinned one, not fetch a CUDA build.
$(VENV)/.tools: $(VENV)/.installed requirements/dev.txt requirements/models.txt
	$(PIP) install --requirement requirements/dev.txt
	$(PIP) install --requirement requirements/models.txt
	@touch $@

# The stock SDK pins an older websockets than the server runs on, so it lives in an environment of its own.
$(SDK)/.installed: requirements/conformance.txt $(VENV)/bin/python
	$(PYTHON) -m venv $(SDK)
	$(SDK)/bin/python -m pip --disable-pip-version-check install --requirement requirements/conformance.txt
	@touch $@

$(NODE_SDK)/node_modules/.package-lock.json: $(NODE_SDK)/package-lock.json | $(VENV)/.tools
	$(BIN)/python -m tests.conformance.node_clients

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { \
	  echo "Installing Chromium for the page's tests"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	  elif command -v sudo >/dev/null; then sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends chromium; \
	  else echo "Install Chromium first: apt install chromium"; exit 1; fi; }

lint:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

page-check:
	$(BIN)/python hatch_build.py check

# One thread for each sum of products, as the server has it: more of them only wait for each other on busy cores.
tests:
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest $(TESTS)

## Look for cases that nobody has thought of yet, with other ones in every run.
fuzz: $(VENV)/.installed
	$(BIN)/python -m pytest --hypothesis-profile=default -m "not browser and not real_engines" -k "$(or $(ONLY),)" $(TESTS)

## Pin anew what pyproject.toml and requirements/*.in ask for (needs uv).
requirements:
	$(COMPILE) -c requirements/shared.in --extra turn --extra bench --extra kokoro --extra talk pyproject.toml -o requirements/run.txt
	$(COMPILE) -c requirements/run.txt requirements/dev.in -o requirements/dev.txt
	$(COMPILE) -c requirements/run.txt -c requirements/dev.txt requirements/models.in -o requirements/models.txt

clean:
	rm -rf $(VENV) $(SDK) $(NODE_SDK)/node_modules web/node_modules src/duologue/server/static
