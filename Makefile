# Each target does all that is needed on a fresh machine with Python 3.11 or newer and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test slow quick check format docs
setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@echo "installing oneglance and all it needs into .venv: some minutes, once"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[all]" --group dev
	@touch .venv/installed

demo: setup
	$(BIN)/oneglance demo

test: setup
	$(BIN)/python -m pytest --numprocesses 2 -m "not slow"

# What starts clusters, browsers, services and whole trainings, and kills them: as long again.
slow: setup
	$(BIN)/python -m pytest --numprocesses 2 -m slow

# What people run between edits: nothing is trained or served, and nothing is compared that takes long.
quick: setup
	$(BIN)/python -m pytest --numprocesses 2 --quick -m "not slow and not thorough" --ignore tests/serving

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py tests/test_house.py tests/test_public_names.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/docs-installed: .venv/installed
	@echo "installing what builds the site: a minute, once"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	@touch .venv/docs-installed

docs: .venv/docs-installed
	$(BIN)/python docs/generate
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -W ignore -m mkdocs build --strict --quiet
	@echo "built site/: open site/index.html, or python3 -m http.server --directory site for the search"
