"""Corpora: manifests, units of many utterances, labels, splits, and the published forms of them."""
