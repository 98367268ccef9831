"""The Gumbel score network for tables, its layout and training."""
