"""The benchmark on tables: seven sets with categorical columns, their split, baselines, ceiling and statistics."""
