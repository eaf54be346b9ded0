"""Evaluation metrics: pure functions from arrays and texts to figures, one idea a file; `catalogue` brings them to cases."""
