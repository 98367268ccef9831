"""A look at a data set before anything is done: what its files hold, and what about that is suspicious."""
