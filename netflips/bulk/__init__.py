"""Bulk work on all cores and GPUs of a machine or of a Ray cluster: extract units of whole corpora, dub folders of videos."""
