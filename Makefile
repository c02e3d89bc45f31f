# Everything runs in .venv, made on first use; PYTHON picks another interpreter for it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test lint

install: .venv/installed

.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,deploy]"
	touch $@

demo: install
	$(BIN)/fbnet-pfld demo

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
