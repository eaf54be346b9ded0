"""Recipes: whole ways from corpora to models, as staged scripts. demo/ makes the bundle that comes with NetfLips."""
