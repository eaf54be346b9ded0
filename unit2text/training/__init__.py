"""Training of readers of units: configuration, corpus, items, losses, task."""
