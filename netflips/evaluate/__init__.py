"""Evaluation of the demo models, dubs, speech and test splits of units: metrics, tables, pages and comparisons."""
