"""Small synthetic corpora with known truth, to try and to test the trainers."""
