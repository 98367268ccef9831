"""How well scores rank: correlation, selective risk, detection, with intervals."""
