"""Public corpora to a unit translator; see README.md."""
