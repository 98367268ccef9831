"""`segqc evaluate`: an audit judged against ground truth, beside its baselines."""
