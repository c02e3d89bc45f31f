# Everything runs in .venv, made on first use; PYTHON picks another interpreter for it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test links types layers lint docs

install: .venv/installed

.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,deploy,emulator,detect,app,docs]"
	touch $@

demo: install
	$(BIN)/fbnet-pfld demo

test: install
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# the folders as a package, for mypy, import-linter and the reference
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
	$(BIN)/codespell

# the pages and the reference as a site in build/site; the variable turns off the theme's notice about MkDocs 2
docs: install links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html; with search: $(BIN)/python -m http.server --directory build/site"
