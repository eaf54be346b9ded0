# Damaged and hostile inputs by the thousand (tests/fuzz); `make test-slow` tries some hundred of them with a fixed seed.

FUZZ_MINUTES ?= 60
FUZZ_SEED ?= $(shell date +%Y%m%d)

.PHONY: fuzz
fuzz: env
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --seed $(FUZZ_SEED) --minutes $(FUZZ_MINUTES) --crafted --table build/fuzz.md
