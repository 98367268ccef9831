"""A term for values that usually occur in unusual rows: the mean anomaly of the other columns of these rows.

    g_j(m) = sum over training rows with x_j = m of sum over i != j of w_i^2 (s_0i - E s_0i)  /  (n(m) + 1)
    kappa  = r / (1 - r^2)  sd(a level) / sd(sum_j g_j)                   a row's score gains  kappa sum_j g_j(x_j)

s_0i is the surprise of column i with no other cell known, w_i its weight (`segqc.tabular.counting.oddest_level`), and
n(m) the number of training rows with outcome m. The levels test whether the cells of a row fit together. Many anomalies
pass this test: their unusual cells occur together, as extremes of one kind, so that each is expected given the others.
This term, called company, adds them up. The idea is that of couplings between values (Pang, Cao and Chen, IJCAI 2016),
here in one step, as a mean.

r is the correlation of company with the row's score by the levels, among validation inliers. Company is weighted like a
noisy measurement of that score: by its slope over the variance of its error, in the units of a typical level. Its
weight is 0 where unusual cells meet by chance or avoid each other (r <= 0, as in chess positions). No anomaly is needed
to learn it. The square of w_i and the largest r were chosen on development splits of the benchmark, with their
anomalies in view (docs/results-tabular-choice.md).
"""

from dataclasses import dataclass

import numpy as np

_MOST_AGREEMENT = 0.75  # largest r: with more weight, company would hide cells that contradict each other


@dataclass(frozen=True)
class Company:
    """Contribution of every outcome of every column to a row's score.

    Attributes
    ----------
    sizes : ndarray `[C]` int64
        K of every column.
    added : ndarray `[S]` float64
        kappa g, column by column, less its mean over validation inliers.
    """

    sizes: np.ndarray
    added: np.ndarray

    @classmethod
    def fit(
        cls,
        training: tuple[np.ndarray, np.ndarray],
        usual: tuple[np.ndarray, np.ndarray],
        sizes: np.ndarray,
        oddness: np.ndarray,
        levels: np.ndarray,
        oddest: np.ndarray,
    ) -> "Company":
        """Learn company from training rows, and its weight from validation inliers.

        Parameters
        ----------
        training, usual : (codes `[n, C]` int64, counts `[n]`)
            Distinct rows and how often they occur: training rows; validation inliers, d of them.
        sizes : ndarray `[C]`
            K of every column.
        oddness : ndarray `[S]`
            Anomaly of every outcome by itself, w^2 (s - E s); its scale does not matter.
        levels : ndarray `[d, L]`
            Scores of the validation inliers at every level.
        oddest : ndarray `[d]`
            Their scores by all levels.
        """
        sizes = np.asarray(sizes, np.int64)
        rows, counts = usual
        share = counts / counts.sum()
        first = np.cumsum(sizes) - sizes
        company = _mean_of_others(*training, oddness, sizes)
        company -= np.repeat(share @ company[rows + first], sizes)
        heard, oddest = company[rows + first].sum(1), oddest - share @ oddest
        variance, product = share @ heard**2, np.sqrt((share @ heard**2) * (share @ oddest**2))
        if product < 1e-12:  # all inliers are alike
            return cls(sizes, np.zeros_like(company))
        agreement = np.clip(share @ (heard * oddest) / product, 0, _MOST_AGREEMENT)
        usual_level = np.median(np.sqrt(share @ (levels - share @ levels) ** 2))
        return cls(sizes, company * agreement / (1 - agreement**2) * usual_level / np.sqrt(variance))

    def contributions(self, codes: np.ndarray) -> np.ndarray:
        """Contribution of every column to a row's score, float64 `[n, C]`, of codes `[n, C]`."""
        return self.added[codes + np.cumsum(self.sizes) - self.sizes]


def _mean_of_others(rows: np.ndarray, counts: np.ndarray, oddness: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """By outcome `[S]`: the `oddness` `[S]` of a row's other columns, summed, in excess of its mean, averaged over the
    rows that have the outcome.

    The average counts one usual row more. An outcome that no row has keeps the worst company of its column.
    """
    cells = oddness[rows + np.cumsum(sizes) - sizes]
    total = cells.sum(1)
    found = []
    for j, size in enumerate(sizes):
        others = total - cells[:, j]
        others = (others - counts @ others / counts.sum()) * counts
        having = np.bincount(rows[:, j], counts, minlength=size)
        mean = np.bincount(rows[:, j], others, minlength=size) / (having + 1)
        found.append(np.where(having > 0, mean, max(mean[having > 0].max(), 0)))
    return np.concatenate(found)
