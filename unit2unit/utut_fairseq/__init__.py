"""What pre-training and fine-tuning share: our side of fairseq. Nothing here imports fairseq before it is needed."""
