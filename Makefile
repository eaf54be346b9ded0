# Two commands do everything on a fresh machine with Python 3.11 or 3.12: `make demo` and `make test`.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)

# Whether this machine has an NVIDIA driver. Without one, what PyTorch loads on a GPU alone is left out (0.9 GB).
NVIDIA ?= $(if $(wildcard /proc/driver/nvidia/version /usr/lib/wsl/lib/nvidia-smi),yes,no)
# PyTorch's own index of its builds for CPUs, for those who reach it: 3 GB less. Not tried by us.
TORCH_INDEX ?=
ABSENT := $(if $(TORCH_INDEX),torch|torchaudio|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+,$(if $(filter yes,$(NVIDIA)),-,triton|nvidia-cuda-nvrtc|nvidia-nvtx|cuda-bindings|cuda-pathfinder|cuda-toolkit))

DUB_LOCK := requirements.lock
DEV_LOCK := requirements-dev.lock
DUB_STAMP = $(VENV)/.dub-$(shell (cat $(DUB_LOCK) pyproject.toml; echo '$(ABSENT)') | sha256sum | cut -c1-16)
DEV_STAMP = $(VENV)/.dev-$(shell cat $(DEV_LOCK) | sha256sum | cut -c1-16)
SIZE = echo "$$(du -sm $(VENV) | cut -f1) MB in $(VENV)"

# One more than two cores: for a fifth of the time a test waits for processes that it has started.
TEST_JOBS ?= 3

# One torch thread per process and no spinning: two busy processes on two cores starve one another otherwise.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help install env test test-slow lint types rules unit demo train-demo flite bench clean

help:
	@echo "make demo    set up, then dub the clip that comes with NetfLips"
	@echo "make test    set up, then lint, type-check, check the dependency rules, build the site of the pages and run the tests"
	@echo "make test-slow  what takes minutes and seldom breaks: the commands of all pages, recipes, the wheel, a cluster, damaged files, long trainings"
	@echo "make install set up only what a dub, the page and the way over text need: the locked environment in $(VENV)"
	@echo "make env     set up what tests and trainings need, too"
	@echo "make fairseq set up what training the translator needs too (a C++ compiler builds it)"
	@echo "make voices  set up natural voices, for netflips dub --cascade, make train-demo and netflips evaluate demo"
	@echo "make judges  set up outside recognizers, by which netflips evaluate hears"
	@echo "make train-demo  make the models of the demo anew (needs flite: apt-get install flite, and a C++ compiler; on two cores"
	@echo "             three hours and a half)"
	@echo "make docs    the pages as a site, in build/site"
	@echo "make fuzz    damaged and hostile inputs for an hour (FUZZ_MINUTES=60 FUZZ_SEED=the day); writes build/fuzz.md"
	@echo "make bench   speed and memory beside a plain baseline (two hours; writes benchmarks/results, the tables of"
	@echo "             docs/performance.md and README's minute; BENCH='--parts lips dub' measures some parts)"

-include make/*.mk

install: $(DUB_STAMP)

env: $(DEV_STAMP)

# --no-deps: the locks are complete, and pip need not work out what belongs together.
$(DUB_STAMP): $(DUB_LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: make install PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet --no-deps --index-url $(TORCH_INDEX) $$(grep -E '^(torch|torchaudio)==' $(DUB_LOCK)))
	grep -vE '^($(ABSENT))==' $(DUB_LOCK) > $(VENV)/dub.lock
	$(BIN)/python -m pip install --quiet --no-deps -r $(VENV)/dub.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	rm -f $(VENV)/.dub-*
	touch $@
	@$(SIZE)

$(DEV_STAMP): $(DEV_LOCK) $(DUB_STAMP)
	$(BIN)/python -m pip install --quiet --no-deps -r $(DEV_LOCK)
	rm -f $(VENV)/.dev-*
	touch $@
	@$(SIZE)

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: fairseq-or-not
	$(BIN)/mypy

rules: fairseq-or-not
	$(BIN)/lint-imports

# Compiled files are kept, for hundreds of processes would compile NetfLips again where none are, as in many containers.
# A test that ends its process is tried again in a new one: by itself, pytest-xdist would do so four times for each job.
RUN_TESTS = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder --max-worker-restart 2

unit: fairseq-or-not
	$(RUN_TESTS) -m "not slow" $(PYTEST_ARGS)

test-slow: fairseq-or-not
	$(RUN_TESTS) -m slow $(PYTEST_ARGS)

test: lint types rules docs unit

demo: install
	$(BIN)/netflips demo

train-demo: flite fairseq voices
	$(BIN)/python scripts/train_demo.py

flite:
	@command -v flite >/dev/null || { echo "make train-demo needs flite, which pip cannot install: apt-get install flite (or your system's)"; exit 2; }

bench: fairseq
	$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) *.egg-info build dist
