"""Devices, memory, kernels, threads, and networks made ready for inference."""
