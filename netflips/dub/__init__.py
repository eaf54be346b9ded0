"""One dub: its options, its utterances, and the short clip."""
