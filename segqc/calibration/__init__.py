"""What a score means: p-values, expected Dice, thresholds with a guarantee, drift."""
