"""How good the demo's models are, measured on material that they never heard or saw."""
