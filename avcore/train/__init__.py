"""The training loop that every stage shares, except unit2unit, which trains on fairseq."""
