"""Voices of synthesisers, and the phrasebook that they speak."""
