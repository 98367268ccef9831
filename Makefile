# Each target makes ./.venv on its first run, from a package index, with Python 3.11 or newer, and uses it afterwards.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHECKED := segqc ncsnpp evaluation scripts
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test lint format docs clean

# Try segqc on rendered pictures: trains a model and audits a hundred masks.
demo: $(VENV)/.installed
	$(BIN)/segqc demo --out demo

# The whole suite. Its last lines say what was skipped, and what to install so that it runs. `make test COVERAGE=1` prints
# the share of lines and branches that ran as well, and takes half as long again.
test: $(VENV)/.installed-dev
	$(PYTEST) $(if $(COVERAGE),--cov --cov-report=term:skip-covered)

# Style, types and the import contract of pyproject.toml.
lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CHECKED)
	$(BIN)/lint-imports --no-cache

# Repair what can be repaired without thought.
format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site of the documentation, in ./site; a broken link or a missing docstring is an error.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# One stamp for what segqc needs to run, and one each for what its developers and its documentation need as well.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "segqc needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist demo site
