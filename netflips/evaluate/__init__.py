"""How good models are on one's own test split."""
