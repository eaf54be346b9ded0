"""The published forms of training data, read and written."""
