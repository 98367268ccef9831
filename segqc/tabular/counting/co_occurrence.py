"""The company an outcome keeps: it is as odd as the rows that have it are in their other columns.

    g_j(m) = sum over training rows with x_j = m of sum over i != j of w_i^2 (s_0i - E s_0i)  /  (n(m) + 1)
    kappa  = r / (1 - r^2)  sd(a level) / sd(sum_j g_j)                   a row's score gains  kappa sum_j g_j(x_j)

s_0i is column i's own surprise and w_i its weight (`segqc.tabular.counting.oddest_level`), n(m) how many training rows
have the outcome. The levels ask whether the cells of a row go together. Many anomalies pass: their odd cells do go
together, as extremes of one kind, and whoever knows one expects the next. Company counts them together. The idea is
that of couplings between values (Pang, Cao and Chen, IJCAI 2016), here in one step, as a mean.

r is the correlation of company with the row's oddness by the levels, among validation inliers: company is heard as a
reading of that oddness would be, by its slope over the variance of its error, in the units of a usual level. It is
silent where odd cells meet by chance or avoid each other (r <= 0: chess positions). No anomaly is needed to know. The
square of w_i and the largest r were chosen on development splits of the benchmark, with their anomalies in view
(docs/results-tabular-choice.md).
"""

from dataclasses import dataclass

import numpy as np

_MOST_AGREEMENT = 0.75  # r at most: louder, company would drown cells that contradict each other


@dataclass(frozen=True)
class Company:
    """What every outcome of every column adds to a row's score.

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
        """Learn the company of training rows, and from validation inliers how much it says.

        Parameters
        ----------
        training, usual : (codes `[n, C]` int64, counts `[n]`)
            Distinct rows and how often they occur: training rows; validation inliers, d of them.
        sizes : ndarray `[C]`
            K of every column.
        oddness : ndarray `[S]`
            Of every outcome by itself, w^2 (s - E s); its scale does not matter.
        levels : ndarray `[d, L]`
            How odd the validation inliers are at every level.
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
        """What every column adds to a row's score, float64 `[n, C]`, of codes `[n, C]`."""
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
