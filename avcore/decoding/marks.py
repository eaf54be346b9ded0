"""The four marks at the head of every fairseq dictionary."""

BEGIN, PAD, END, UNKNOWN = range(4)
"""Rows of `<s>`, `<pad>`, `</s>` and `<unk>`."""
NUM_MARKS = 4
