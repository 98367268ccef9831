"""Known errors put into true masks."""
