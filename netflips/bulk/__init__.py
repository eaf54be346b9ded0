"""Bulk work on Ray: units of whole corpora, folders of videos dubbed. The only place that imports Ray."""
