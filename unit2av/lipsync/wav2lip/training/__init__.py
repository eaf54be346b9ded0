"""Training of Wav2Lip: its sync expert, and its generator with or without the discriminator of its `hq` variant."""
