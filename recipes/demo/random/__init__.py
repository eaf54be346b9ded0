"""Random checkpoints in the published layouts."""
