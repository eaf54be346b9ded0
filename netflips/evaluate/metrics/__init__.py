"""A metric a file; `netflips.evaluate.metric` finds them."""
