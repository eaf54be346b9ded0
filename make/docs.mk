# The pages as a site with search: guide, commands from the parsers, API from the docstrings. It is built in build/site, and a warning fails.

DOCS_LOCK := requirements-docs.lock
DOCS_STAMP = $(VENV)/.docs-$(shell sha256sum $(DOCS_LOCK) | cut -c1-16)

.PHONY: docs
docs: env $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file mkdocs.yml

$(DOCS_STAMP): $(DOCS_LOCK) | env
	$(BIN)/python -m pip install --quiet --no-deps -r $(DOCS_LOCK)
	rm -f $(VENV)/.docs-*
	touch $@
