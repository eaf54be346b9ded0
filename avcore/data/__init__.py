"""Corpora: manifests, units by id, labels, splits, and their published forms."""
