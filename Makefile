# Everything starts here: `make run`, `make test`. Needs python3 (3.11 or newer), git and make only.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STUDY ?= seqdigits

.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE # hundreds of processes would compile all anew
.PHONY: help setup run secrets reproduce figures test test-all chaos fuzz check format bench bench-search docs screenshots lock release clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## install into .venv and compile the kernels

run: $(VENV)/.ready ## run the study seqdigits (STUDY=... another) and show its result
	@$(PY) -m hpo.launch --study $(STUDY)

test: $(VENV)/.ready-dev ## all tests but the long ones, in nine minutes on two cores
	$(PY) -m pytest -m "not slow" -n 5 --dist worksteal

test-all: $(VENV)/.ready-dev ## all tests, the long ones too
	$(PY) -m pytest

secrets: ## passwords for `docker compose up`, made once (docs/how-to/lab-server.md)
	@docker/secrets.sh

chaos: $(VENV)/.ready ## ten minutes of kills, pauses and restarts that a study must not notice (CHAOS="--seconds 60" less)
	@$(PY) -m chaos $(CHAOS)

fuzz: $(VENV)/.ready ## 20,000 broken inputs of each kind, before a release (FUZZ="--inputs 500" fewer)
	@$(PY) -m chaos.fuzz --inputs 20000 $(FUZZ)

check: $(VENV)/.ready-dev ## format, lint, types, layers
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.ready-dev ## mend format and imports
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

reproduce: $(VENV)/.ready ## measure every figure of the paper (FIG=fig2b ... one; CHECK=1 compares three networks), in about eight hours on two cores
	@$(PY) -m reproduction run $(if $(FIG),--fig $(FIG)) $(if $(CHECK),--check)

figures: $(VENV)/.ready ## draw every figure from the committed data, without training
	@$(PY) -m reproduction draw

bench: $(VENV)/.ready-dev ## measure networks, service, scale and window, in an hour on two cores
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[bench]' || echo "without JAX, diffrax, torchdiffeq"
	$(PY) -m benchmarks

bench-search: $(VENV)/.ready-dev ## compare searches on the table of real trainings: what is missing, and its page
	@$(PY) -m benchmarks.search

docs: $(VENV)/.ready-docs ## the documentation, as docs/_build/html/index.html; warnings are errors
	$(PY) -m sphinx -b html --fresh-env --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html
	@echo docs/_build/html/index.html

screenshots: $(VENV)/.ready-dev ## the pictures of dashboard and report in the documentation; needs chromium
	@$(PY) -m hpo.launch --study seqdigits --no-report > /dev/null
	@PYTHONPATH=tests/support $(PY) docs/screenshots.py

lock: $(VENV)/.ready ## pin what is installed anew, in requirements/default.txt (PyTorch: by hand)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	@echo uv | $(PY) -m uv pip compile --quiet --upgrade --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" -o requirements/uv.txt -
	@$(PY) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-emit-package torch --custom-compile-command "make lock" -o requirements/default.txt pyproject.toml

release: $(VENV)/.ready-dev ## wheel and sdist of the last commit, checked, into dist/: to be uploaded by hand
	@test -z "$$(git status --porcelain)" || { echo "error: a release is one of a commit: commit first, or stash"; exit 1; }
	@rm -rf dist build/release && mkdir -p build/release && git archive HEAD | tar -x -C build/release
	@$(PY) -m hpo.provenance.source > build/release/hpo/revision.json
	@sed -E -i 's/!?\[([^]]+)\]\([^):]+\)/\1/g' build/release/README.md # on a package index, relative links lead nowhere
	@$(PY) -m build --no-isolation --outdir dist build/release > build/release.log || { cat build/release.log; exit 1; }
	@$(PY) -m twine check --strict dist/*
	@ls -lh dist

clean: ## remove the installation (studies are kept: see `hpo storage status`)
	rm -rf $(VENV)

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer must be there, but $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "error: $(PYTHON) must be able to make a virtual environment. On Debian: apt install python3-venv"; exit 1; }

$(VENV)/.ready: pyproject.toml $(wildcard requirements/*) | $(PY)
	@echo "installing into $(VENV) (a minute the first time) ..."
	@requirements/install.sh $(PY)
	@echo "the project itself ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@echo "compiling the kernels ..."
	@$(PY) -m hpo.objectives.training.warm_up
	@touch $@

$(VENV)/.ready-dev: pyproject.toml $(VENV)/.ready
	@echo "installing what tests need ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.ready-docs: pyproject.toml $(VENV)/.ready
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@
