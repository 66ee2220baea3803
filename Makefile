# What a person types. Each recipe makes .venv first, once, with the tested versions.

export TF_CPP_MIN_LOG_LEVEL ?= 2

BIN := .venv/bin
INSTALLED := .venv/.installed
DOCUMENTING := .venv/.documenting
FAST := -m "not slow"
# Files one after the other in their order: by number of tests, as by default, those of few heavy tests would come last.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo test test-all coverage lint format notebooks docs wheel models bench-smoke clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED)  ## create .venv with tfvae and its tools

$(INSTALLED): setup.py constraints.txt
	@python=; for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	  if $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "tfvae needs Python 3.11, 3.12 or 3.13, and there is none among: $(or $(PYTHON),python3 python3.13 python3.12 python3.11)." >&2; \
	  echo "Install one, or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	echo "Setting up .venv with $$($$python --version); this takes a few minutes the first time."; \
	$$python -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $@

demo: $(INSTALLED)  ## train on real digits, score, export and draw, into a new folder under runs/
	$(BIN)/tfvae train digits --epochs 100 --out runs/demo-$$(date +%Y%m%d-%H%M%S)

test: $(INSTALLED)  ## run the tests, the slow ones left out
	$(BIN)/python -m pytest $(PARALLEL) $(FAST)

test-all: $(INSTALLED)  ## run every test
	$(BIN)/python -m pytest $(PARALLEL)

coverage: $(INSTALLED)  ## run the tests and list the lines of tfvae/ that none of them executes
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(FAST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(INSTALLED)  ## check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)  ## repair what lint can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(INSTALLED)  ## execute copies of the notebooks and print the seconds; the files in notebooks/ stay as they are
	$(BIN)/python notebooks/run.py

docs: $(DOCUMENTING)  ## build the documentation into build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mkdocs build
	@echo "Open build/site/index.html. To search: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site"

$(DOCUMENTING): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]' --constraint constraints.txt
	@touch $@

wheel: $(INSTALLED)  ## build dist/tfvae-*.whl, which installs without this clone
	rm -rf build/lib
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

models: $(INSTALLED)  ## train and export what saved_models/ holds, about an hour; DATA=folder of mnist.npz and smfish_counts.npz
	$(BIN)/python saved_models/make.py --data $(or $(DATA),data)

bench-smoke: $(INSTALLED)  ## run a tiny version of each benchmark, so that none rots; its times mean nothing
	@mkdir -p build && touch build/.smoke
	@printf '%s\n' "tables all" speed "layers all" "physics all" "conditional all" "labels all" "missing all" quality "reproduce all" speed.short speed.bfloat16 gpu \
	  | xargs -P 2 -I JOB sh -c '$(BIN)/python -m benchmarks.JOB --smoke || { echo "FAILED: benchmarks.JOB" >&2; exit 255; }'
	@written=$$(find benchmarks/results -newer build/.smoke); \
	if [ -n "$$written" ]; then echo "A tiny run must not write among the results: $$written" >&2; exit 1; fi

clean:  ## delete .venv and what the tools left behind; runs/ stays
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
