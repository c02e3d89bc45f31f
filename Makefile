# Everything runs in .venv, made on first use; PYTHON picks another interpreter for it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test links types layers lint

install: .venv/installed

.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,deploy,emulator,detect,app,docs]"
	touch $@

demo: install
	$(BIN)/fbnet-pfld demo

test: install
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# the folders as the package that they are: what mypy and import-linter look at
links:
	rm -rf build/links && mkdir -p build/links/fbnet_pfld && touch build/links/fbnet_pfld/__init__.py
	for folder in search_space strategies evaluators experiments latency; do ln -s $(CURDIR)/$$folder build/links/fbnet_pfld/; done
	ln -s $(CURDIR)/evaluators/runtime/short build/links/fbnet_pfld/runtime

types: links
	$(BIN)/mypy

layers: links
	PYTHONPATH=build/links $(BIN)/lint-imports

lint: install types layers
	$(BIN)/ruff check .
