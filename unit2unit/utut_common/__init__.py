"""What pre-training and fine-tuning share: reading and dividing units, our side of fairseq, and a run's settings and checks."""
