"""Labels to train on: clusters of features of the speech, or of a trained encoder."""
