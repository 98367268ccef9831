"""`segqc tabular fit` and `segqc tabular score`."""
