"""Mean average precision in % from the paper's Table 2 (arXiv 2304.03220), on splits that are not available."""

GNSM = {"Bank": 65.58, "Census": 47.79, "Chess": 1.60, "CMC": 25.87, "Probe": 97.48, "Solar": 63.34, "U2R": 82.35}

BEST_OTHER = {
    "Bank": (67.18, "Deep SVDD"),
    "Census": (41.18, "Deep SVDD"),
    "Chess": (2.31, "Isolation Forest"),
    "CMC": (24.99, "DAGMM"),
    "Probe": (95.39, "ECOD"),
    "Solar": (72.23, "ECOD"),
    "U2R": (71.17, "Deep SVDD"),
}
"""The best other method in the paper's table: its figure and its name."""
