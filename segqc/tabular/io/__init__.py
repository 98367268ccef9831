"""Tables from files and DataFrames, to columns."""
