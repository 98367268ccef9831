"""NIfTI volumes as slices: found, brought to one orientation, and written as pictures and masks of two dimensions."""
