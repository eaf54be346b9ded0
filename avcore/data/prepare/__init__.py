"""Preparation of corpora as delivered: each becomes a manifest and the files that it names."""
