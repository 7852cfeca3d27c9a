# Everything here needs nothing but Python 3.11 or newer, make and a package index.
# The environment is .venv, made on first use; another interpreter: make test PYTHON=/path/to/python3.12

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
PYTHON ?=
WORKERS ?= 2
ROUNDS ?= 10

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz lint format bench gallery peers wheel clean

help: ## show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/installed ## plan the Iowa example into out/iowa, audit it, route a few leads, and say where to look
	$(BIN)/territory-engine plan examples/iowa/config.toml --out out/iowa --replace
	$(BIN)/territory-engine audit out/iowa
	rm -f out/ledger.db
	$(BIN)/territory-engine route examples/iowa/new_leads.csv --plan out/iowa --policy examples/iowa/routing.toml \
	  --ledger sqlite:///out/ledger.db --out out/answers.csv --replace
	$(BIN)/territory-engine explain 10074 --rep R01 --ledger sqlite:///out/ledger.db
	@echo
	@echo "Open these in a browser:  out/iowa/map.html  out/iowa/report.html"
	@echo "and in a spreadsheet:     out/iowa/plan.xlsx  out/answers.csv"

test: lint ## every check, then every test
	$(BIN)/python -m pytest -n $(WORKERS)

fuzz: $(VENV)/installed-dev ## the property tests with new random examples, ROUNDS times (10)
	for round in $$(seq $(ROUNDS)); do \
	  TERRITORY_ENGINE_FUZZ=1 $(BIN)/python -m pytest -n $(WORKERS) -q $$(grep -rl "import given" tests) || exit 1; \
	done

lint: $(VENV)/installed-dev ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev ## put the code into the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-dev ## measure: quality, time and memory on the benchmark problems
	$(BIN)/python -m benchmarks.fixed_centres
	$(BIN)/python -m benchmarks.territory_design --peers cp-sat --seconds 20 --only SJC1 SJC4b lin318_040

gallery: $(VENV)/installed-dev ## plan the example and take the pictures of docs/gallery.md
	$(BIN)/python -m benchmarks.gallery

peers: $(PEERS)/installed ## make .venv-peers, with what the territory design benchmark compares with
	@echo
	@echo "Compare:  $(PEERS)/bin/python -m benchmarks.territory_design --work out/benchmark"
	@echo "More data and options: benchmarks/README.md"

wheel: $(VENV)/installed-dev ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean: ## remove the environment and everything that was made
	rm -rf $(VENV) $(PEERS) out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Only a change of pyproject.toml installs again. The interpreters are tried in the order in which every dependency
# is known to have wheels for them; a name on the PATH may be an empty shim, so each is asked for its version.
$(VENV)/bin/python:
	@for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3.14 python3 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "making $(VENV) with $$candidate"; exec "$$candidate" -m venv $(VENV); \
	  fi; \
	done; \
	echo "Territory Engine needs Python 3.11 or newer, and none was found. Install one (python.org, pyenv, or your" >&2; \
	echo "system's packages: python3.11 and python3.11-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; \
	exit 1

$(PEERS)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m venv $(PEERS)
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["peers"], sep="\n")' > $(PEERS)/requirements.txt
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --editable . --requirement $(PEERS)/requirements.txt
	@touch $@

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# pip before 25.1 cannot read dependency groups, and a new environment may hold such a pip: so the group is spelled out.
$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' > $(VENV)/dev-requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement $(VENV)/dev-requirements.txt
	@touch $@
