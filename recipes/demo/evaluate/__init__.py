"""The exam of the demo's models, on material that was not in their training."""
