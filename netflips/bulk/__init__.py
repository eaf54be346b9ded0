"""Bulk work: units of whole corpora, folders of videos dubbed, on all cores and GPUs of a machine or of a Ray cluster."""
