"""Pictures and masks: reading, pairing, the mask grid, folds."""
