# One environment, one pipeline. `make help` lists what there is.

PYTHON ?= python3
VENV ?= .venv
EDITION ?= reader

BIN := $(VENV)/bin
READY := $(VENV)/.spectrakit-ready

.DEFAULT_GOAL := help
.PHONY: help book student instructor assignment grade pdf test lab sync lint clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 20
	@echo
	@echo "  make book EDITION=student     the book without solutions"
	@echo "  make lab FRESH=1              new copies; those of before are kept aside"
	@echo "  make PYTHON=python3.12 ...    the Python that .venv is made with (3.11 or newer)"

book: $(READY) ## run the chapters that changed, build the site and say where it is
	@$(BIN)/python -m tools.site build --edition $(EDITION)

student: $(READY) ## site and notebooks without solutions, as a zip file
	@$(BIN)/python -m tools.site hand-out --edition student

instructor: $(READY) ## site and notebooks with solutions, as a zip file
	@$(BIN)/python -m tools.site hand-out --edition reader

assignment: $(READY) ## the exercises of CHAPTER=2 as a zip file, with data drawn by SEED=7
	@$(BIN)/python -m tools.grading assignment $(if $(CHAPTER),--chapter $(CHAPTER)) --seed $(or $(SEED),0)

grade: $(READY) ## points for the notebooks in FOLDER=... that came back, with the same CHAPTER and SEED
	@$(BIN)/python -m tools.grading grade $(if $(FOLDER),--folder "$(FOLDER)") \
	  $(if $(CHAPTER),--chapter $(CHAPTER)) --seed $(or $(SEED),0)

pdf: $(READY) ## the book as one file, printed by a Chromium that is installed
	@$(BIN)/python -m tools.site pdf --edition $(EDITION)

test: $(READY) ## unit tests, then the chapters
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --maxschedchunk=1

lab: $(READY) ## open JupyterLab on copies of the notebooks, in work/
	@$(BIN)/python -m tools.site lab $(if $(FRESH),--fresh)
	@data="$$SPECTRAKIT_DATA"; if [ -n "$$data" ]; then data="$$(cd "$$data" && pwd)" || exit 1; fi; \
	  SPECTRAKIT_DATA="$$data" OMP_NUM_THREADS=1 JUPYTER_PREFER_ENV_PATH=1 $(BIN)/jupyter lab work/00_start.ipynb

sync: $(READY) ## write each chapter's notebook from its source
	@$(BIN)/python -m tools.site sync

lint: $(READY) ## check the style of the code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

clean: ## remove everything made from the sources, but not the environment
	@rm -rf build dist .hypothesis .pytest_cache .ruff_cache
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "SpectraKit needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing requirements.txt into $(VENV); this takes a few minutes the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
