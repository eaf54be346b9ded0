"""Devices, memory, and work ahead of its use."""
