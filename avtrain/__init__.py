"""The training loop shared by every stage but unit2unit (which trains on fairseq)."""
