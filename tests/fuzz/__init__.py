"""Damaged and hostile inputs by the thousand, against one promise: done, or one clear line.

`python -m tests.fuzz` runs it; see `tests.fuzz.__main__`. Everything follows from a seed: a case is made again by its number.
"""
