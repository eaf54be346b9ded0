"""Training of the unit encoder: masked prediction of two units for each step (Shi et al. 2022)."""
