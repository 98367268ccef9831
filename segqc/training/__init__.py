"""`segqc train`: from pairs to a model folder."""
