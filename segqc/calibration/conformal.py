"""Conformal statistics: p-values from accepted scores, false discovery rate over a batch, and an interval around an
expected Dice.

What holds, and under what assumption, is said once here. All three need exchangeability: the scores that a statement is
calibrated on and the new ones come from the same source, and the model that gives the scores was fitted without them.
None needs the scores to be good ones, only their usefulness does.

p-values (Vovk et al. 2005; Bates, Candès, Lei, Romano and Sesia 2023, "Testing for outliers with conformal p-values",
Annals of Statistics 51). With n accepted scores, p(s) = (1 + #{accepted >= s}) / (n + 1), and a prediction like the
accepted ones has P(p <= a) <= a, ties included. All p-values of a batch share the accepted scores. Given these they are
independent (each is a function of its own score); over the draw of the accepted ones they are dependent, but positively
(PRDS, their theorem 2), and Benjamini and Hochberg's procedure keeps the false discovery rate at its level under PRDS
(Benjamini and Yekutieli 2001). So no correction for dependence is due.

Interval (split conformal, Lei et al. 2018): the q-th smallest of m held-out residuals, q = ceil((m + 1) coverage),
covers a new one with probability at least `coverage`. Residuals are divided by the spread usual at their score, so that
intervals are narrow where the score is sure.
"""

import math
from dataclasses import dataclass

import numpy as np

MIN_CURVE_PAIRS = 20
"""Fewer labelled pairs make no curve: half of them would not fill one bin."""

_PAIRS_PER_BIN = 15
_SMALLEST_SPREAD = 0.02  # Dice; keeps a bin without any residual from claiming certainty


def conformal_p_values(scores: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """How often an accepted prediction scores at least as high, counting the new one itself.

    Parameters
    ----------
    scores : array-like `[m]`
        Higher = worse.
    accepted : array-like `[n]`
        Scores of predictions that somebody accepted, in ascending order.

    Returns
    -------
    ndarray `[m]` float64
        In [1/(n + 1), 1].

    Raises
    ------
    ValueError
        Without accepted scores, or with scores that are not finite.
    """
    values, accepted = np.asarray(scores, np.float64), np.asarray(accepted, np.float64)
    if len(accepted) == 0 or not np.isfinite(accepted).all() or not np.isfinite(values).all():
        raise ValueError("Expected at least one accepted score, and finite scores")
    at_least = len(accepted) - np.searchsorted(accepted, values, side="left")
    return (1 + at_least) / (len(accepted) + 1)


def benjamini_hochberg(p_values: np.ndarray, rate: float) -> np.ndarray:
    """Which of a batch to flag so that, on average, at most `rate` of the flagged are fine: bool `[m]`.

    The average is over batches and accepted scores; a batch in which nothing is flagged counts as 0.
    """
    from scipy.stats import false_discovery_control  # here, as it takes a second to import

    p_values = np.asarray(p_values, np.float64)
    return false_discovery_control(p_values, method="bh") <= rate if p_values.size else np.zeros(0, bool)


@dataclass(frozen=True)
class DiceCurve:
    """Expected Dice as a falling function of the score, with a conformal interval. Fit one by `fit_dice_curve`.

    Attributes
    ----------
    knots, values : tuple of float
        Scores in ascending order and the expected Dice there; linear in between, constant outside.
    centres, spreads : tuple of float
        Scores in ascending order and the mean absolute error of the curve around them, likewise.
    quantile : float or None
        Half-width of the interval in spreads; None when there were too few labels for any: the interval is then [0, 1].
    coverage : float
        Coverage of the interval.
    fitted, held_out : int
        Labelled pairs behind the curve and behind the quantile.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]
    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    quantile: float | None
    coverage: float
    fitted: int
    held_out: int

    def __post_init__(self) -> None:
        for xs, ys in ((self.knots, self.values), (self.centres, self.spreads)):
            table = np.asarray([xs, ys], np.float64) if len(xs) == len(ys) else np.zeros((2, 0))
            if not table.size or not np.isfinite(table).all() or (np.diff(table[0]) < 0).any():
                raise ValueError("Expected a Dice curve of as many finite values as ascending scores, at least one")

    def expected(self, scores: np.ndarray) -> np.ndarray:
        """Expected Dice of scores, float64 in [0, 1]."""
        return np.interp(scores, self.knots, self.values)

    def interval(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end, within [0, 1]; the Dice of a new prediction lies between them with probability
        `coverage` or more.
        """
        centre = self.expected(scores)
        if self.quantile is None:
            return np.zeros_like(centre), np.ones_like(centre)
        half = self.quantile * np.interp(scores, self.centres, self.spreads)
        return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def fit_dice_curve(scores: np.ndarray, dice: np.ndarray, coverage: float = 0.9, seed: int = 0) -> DiceCurve:
    """Fit the curve on a random half of the labelled pairs and the width of its interval on the other half.

    Parameters
    ----------
    scores, dice : array-like `[n]`
        Scores and Dice of labelled pairs, a random sample of what will be scored; Dice in [0, 1].
    coverage : float
        In (0, 1).
    seed : int
        Random seed of the halves.

    Raises
    ------
    ValueError
        Fewer than `MIN_CURVE_PAIRS` pairs, or a Dice outside [0, 1].
    """
    from sklearn.isotonic import IsotonicRegression  # here, as judging by a calibration asks nothing of it

    scores, dice = np.asarray(scores, np.float64), np.asarray(dice, np.float64)
    if len(scores) < MIN_CURVE_PAIRS:
        raise ValueError(
            f"Expected at least {MIN_CURVE_PAIRS} labelled pairs to estimate Dice from, but got {len(scores)}"
        )
    if not np.isfinite(scores).all() or not ((dice >= 0) & (dice <= 1)).all():
        raise ValueError("Expected finite scores and a Dice in [0, 1] for each")
    order = np.random.default_rng(seed).permutation(len(scores))
    fitting, held_out = order[: len(order) // 2], order[len(order) // 2 :]
    isotonic = IsotonicRegression(increasing=False, out_of_bounds="clip").fit(scores[fitting], dice[fitting])
    error = np.abs(dice[fitting] - isotonic.predict(scores[fitting]))
    bins = np.array_split(np.argsort(scores[fitting], kind="stable"), max(1, len(fitting) // _PAIRS_PER_BIN))
    curve = DiceCurve(
        knots=tuple(isotonic.X_thresholds_.tolist()),
        values=tuple(isotonic.y_thresholds_.tolist()),
        centres=tuple(float(np.median(scores[fitting][part])) for part in bins),
        spreads=tuple(max(_SMALLEST_SPREAD, float(error[part].mean())) for part in bins),
        quantile=None,
        coverage=coverage,
        fitted=len(fitting),
        held_out=len(held_out),
    )
    spread = np.interp(scores[held_out], curve.centres, curve.spreads)
    ratios = np.sort(np.abs(dice[held_out] - curve.expected(scores[held_out])) / spread)
    place = math.ceil((len(ratios) + 1) * coverage - 1e-9)  # the tolerance: 0.9 * 30 is 27 and a rounding error
    quantile = float(ratios[place - 1]) if place <= len(ratios) else None
    return DiceCurve(
        curve.knots, curve.values, curve.centres, curve.spreads, quantile, coverage, curve.fitted, curve.held_out
    )
