"""Holds the former place of the folder for fairseq's `--user-dir`; the code is in unit2unit.training."""
