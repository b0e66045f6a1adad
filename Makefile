# One word per job; `make help` lists them. Everything happens inside .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
RUN ?= runs/quickstart
SEED ?= 0

.DEFAULT_GOAL := help
.PHONY: help setup search rediscover quick test slow nightly lint docs bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# What is imported is compiled then: to compile all of torch and Ray would be a third of the installation. timm is for
# its tests, and without torchvision, which is not made for every build of torch
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[dev,formats]'
	$(INSTALL) --no-deps timm
	rm -rf $(VENV)/typed && mkdir -p $(VENV)/typed/actsearch
	ln -s $(addprefix ../../../,$(wildcard search/api/*.py) search/api/py.typed grammar evaluators search) $(VENV)/typed/actsearch
	touch $@

setup: $(READY)  ## create .venv and install everything, with the versions of constraints.txt

search: $(READY)  ## run the quick search of configs/quickstart.yaml (RUN=DIR to keep it elsewhere)
	$(BIN)/actsearch search configs/quickstart.yaml --run $(RUN)

rediscover: $(READY)  ## is Swish rediscovered? search, ladder, confirmation, over one core unit and two (SEED=0)
	$(BIN)/actsearch search configs/rediscovery.yaml --run runs/rediscovery-1-$(SEED) --set seed=$(SEED)
	$(BIN)/actsearch search configs/rediscovery.yaml --run runs/rediscovery-2-$(SEED) --set seed=$(SEED) --set space.units=2
	$(BIN)/python -m scripts.studies.rediscovery runs runs/rediscovery-1-$(SEED) runs/rediscovery-2-$(SEED)

quick: $(READY)  ## before each commit, in under twenty seconds: ruff, and the tests of the structure and the grammar
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest --numprocesses 2 -m 'not slow and not nightly' tests/test_house.py tests/grammar/test_expressions.py \
		tests/grammar/test_space.py tests/evaluators/test_activation.py

test: $(READY)  ## run the quick tests, two or more at a time
	$(BIN)/pytest -m 'not slow and not nightly' --numprocesses auto --maxprocesses 4 --dist worksteal

slow: $(READY)  ## run the others: every format where it is used, Ray and its deaths, a browser
	$(BIN)/pytest -m 'slow and not nightly' --numprocesses auto --maxprocesses 4 --dist worksteal

nightly: $(READY)  ## the longest tests, every command of every README, the lowest versions of other libraries: half an hour
	$(BIN)/pytest -m nightly
	$(BIN)/python -m scripts.render_site --gallery
	$(PYTHON) -m scripts.run_readme
	$(PYTHON) -m scripts.run_lowest

docs: $(READY)  ## the site of manuals, examples and the public names, in build/site; each example is run
	$(BIN)/python -m scripts.render_site --gallery

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## children per minute on this machine, and how fast exported functions are
	$(BIN)/python -m scripts.benchmarks.throughput
	$(BIN)/python -m scripts.benchmarks.peers
	$(BIN)/python -m scripts.benchmarks.stacks
	$(BIN)/python -m scripts.benchmarks.exported

clean:  ## remove .venv and caches (runs stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
