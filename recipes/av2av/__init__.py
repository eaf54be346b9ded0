"""The published checkpoints, scored as AV2AV's paper scored them."""
