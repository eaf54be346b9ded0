# fairseq trains unit2unit; translating does not need it. It is built from source against the torch and numpy that are
# installed, so what it is built with comes first and builds are not isolated. Two minutes the first time; pip keeps the
# wheel. Needs a C++ compiler and Python's headers. With CUDA_HOME it would build kernels whose sources the archive lacks.

FAIRSEQ_LOCK := requirements-fairseq.lock
FAIRSEQ_STAMP = $(VENV)/.fairseq-$(shell sha256sum $(FAIRSEQ_LOCK) | cut -c1-16)

.PHONY: fairseq
fairseq: env $(FAIRSEQ_STAMP)

.PHONY: fairseq-or-not
fairseq-or-not: env
	@if command -v c++ >/dev/null; then $(MAKE) --no-print-directory fairseq; \
	else echo "no C++ compiler: fairseq is not built, and tests of the translator's training are skipped"; fi

$(FAIRSEQ_STAMP): $(FAIRSEQ_LOCK) | env
	@command -v c++ >/dev/null || { echo "fairseq needs a C++ compiler: apt-get install g++ (or your system's)"; exit 2; }
	grep -v '^fairseq' $(FAIRSEQ_LOCK) > $(VENV)/before-fairseq.lock
	$(BIN)/python -m pip install --quiet --no-deps -r $(VENV)/before-fairseq.lock
	env -u CUDA_HOME MAX_JOBS=2 $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -r $(FAIRSEQ_LOCK)
	$(BIN)/python -W ignore -c "import fairseq_cli.train" >/dev/null
	rm -f $(VENV)/.fairseq-*
	touch $@
