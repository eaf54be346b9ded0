"""One language pair: prepare its units, add its language to a checkpoint, fine-tune with fairseq."""
