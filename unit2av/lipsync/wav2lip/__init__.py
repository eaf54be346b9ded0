"""The mouth of Wav2Lip: lips drawn from sound, with the published checkpoints (Prajwal et al. 2020)."""
