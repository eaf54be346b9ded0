"""Autoregressive decoding as fairseq does it: attention, the decoder's layers, and the beam search over them."""
