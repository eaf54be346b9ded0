"""Readers and writers of the published forms of training data."""
