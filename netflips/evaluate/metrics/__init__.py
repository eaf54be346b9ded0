"""One metric a file, or a few that belong together; `netflips.evaluate.metric` finds them."""
