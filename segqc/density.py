"""The density head (MSMA): a Gaussian mixture over the per-level features of inliers.

Mahmood et al. 2021 ("Multiscale Score Matching for Out-of-Distribution Detection") fit a density to the vector of score
norms over noise levels; the Gumbel paper uses the same head, equation (7): eta(x) = (||s(x, l_1)||^2, ..., ||s(x,
l_L)||^2). Its mixture has 3, 5, 7 or 9 components, "best likelihood". We choose the number by likelihood on held-out
inliers, then refit on all of them. Knows no images: tables use it too.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import logsumexp

from segqc.base.tensor_files import load_vouched, save_checked

if TYPE_CHECKING:  # scikit-learn takes a second to import, and a score does without
    from sklearn.mixture import GaussianMixture

COMPONENTS = (3, 5, 7, 9)


@dataclass(frozen=True)
class DensityHead:
    """A fitted mixture; `score` is a negative log-likelihood, higher = more anomalous.

    Attributes
    ----------
    used : ndarray `[F]` bool
        Features that vary among the inliers; a constant one has no density.
    mean, scale : ndarray `[F']` float64
        Standardisation of the used features.
    weights, means, precisions_cholesky : ndarray `[M]`, `[M, F']`, `[M, F', F']` float64
        The mixture of M components with full covariances.
    held_out : dict of int to float
        Mean log-likelihood of the held-out inliers by number of components.
    """

    used: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    precisions_cholesky: np.ndarray
    held_out: dict[int, float]

    @classmethod
    def fit(
        cls, train: np.ndarray, held_out: np.ndarray, seed: int = 0, components: tuple[int, ...] = COMPONENTS
    ) -> "DensityHead":
        """Choose the number of components on held-out inliers, then refit on both parts.

        Parameters
        ----------
        train, held_out : ndarray `[n, F]`, `[m, F]`
            Finite features of inliers, one row each.
        seed : int
            Random seed for the k-means initialisation.
        components : tuple of int
            Candidates; those with fewer than 5 training rows a component are left out (1 is the fallback).

        Raises
        ------
        ValueError
            On non-finite features or fewer than two training rows.
        """
        from sklearn.preprocessing import StandardScaler

        train, held_out = np.asarray(train, np.float64), np.asarray(held_out, np.float64)
        if len(train) < 2:
            raise ValueError(f"Expected at least 2 rows of inlier features to fit a density, but got {len(train)}")
        everything = np.concatenate([train, held_out.reshape(-1, train.shape[1])])
        if not np.isfinite(everything).all():
            raise ValueError("Expected inlier features to be finite")
        used = train.std(0) > 1e-9 * (1 + np.abs(train.mean(0)))
        if not used.any():
            raise ValueError("Expected inlier features to vary, but all are constant")
        candidates = [m for m in components if len(train) >= 5 * m] or [1]
        scaler = StandardScaler().fit(train[:, used])
        check = held_out if len(held_out) else train
        likelihood = {
            m: float(_mixture(scaler.transform(train[:, used]), m, seed).score(scaler.transform(check[:, used])))
            for m in candidates
        }
        best = max(likelihood, key=lambda m: likelihood[m])
        scaler = StandardScaler().fit(everything[:, used])
        final = _mixture(scaler.transform(everything[:, used]), best, seed)
        return cls(
            used, scaler.mean_, scaler.scale_, final.weights_, final.means_, final.precisions_cholesky_, likelihood
        )

    @property
    def components(self) -> int:
        """Number of mixture components."""
        return len(self.weights)

    def score(self, features: np.ndarray) -> np.ndarray:
        """Negative log-likelihood of rows `[n, F]`, float64 `[n]`; a row's score does not depend on the other rows."""
        z = (np.asarray(features, np.float64)[:, self.used] - self.mean) / self.scale
        # Sums feature by feature: a matrix product may round a row differently in another batch shape.
        log_likelihood = np.empty((len(z), self.components))
        for m in range(self.components):
            factor = self.precisions_cholesky[m]
            whitened = np.zeros_like(z)
            for f in range(z.shape[1]):
                whitened += (z[:, f, None] - self.means[m, f]) * factor[f]
            squares = np.zeros(len(z))
            for f in range(z.shape[1]):
                squares += whitened[:, f] ** 2
            log_likelihood[:, m] = (
                np.log(self.weights[m])
                + np.log(np.diag(factor)).sum()
                - 0.5 * (squares + z.shape[1] * np.log(2 * np.pi))
            )
        return -logsumexp(log_likelihood, axis=1)

    def save(self, path: Path) -> None:
        """Write `density.safetensors`; the held-out likelihoods go into its metadata."""
        names = ("mean", "scale", "weights", "means", "precisions_cholesky")
        arrays = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in names}
        arrays["used"] = torch.from_numpy(self.used.astype(np.uint8))
        save_checked(path, arrays, {"held_out_log_likelihood": json.dumps(self.held_out)})

    @classmethod
    def load(cls, path: Path) -> "DensityHead":
        """Read what `save` wrote; whoever calls has compared the file with a digest.

        Raises
        ------
        BadInput
            The file is missing or damaged.
        """
        tensors, metadata = load_vouched(path, "fit it again, or copy the whole folder")
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        held_out = json.loads(metadata.get("held_out_log_likelihood", "{}"))
        return cls(arrays.pop("used").astype(bool), **arrays, held_out={int(m): v for m, v in held_out.items()})


def _mixture(rows: np.ndarray, components: int, seed: int) -> "GaussianMixture":
    """Full covariances in float64; three starts, because one start of EM is a lottery."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(
            components, covariance_type="full", n_init=3, max_iter=300, random_state=seed, reg_covar=1e-5
        ).fit(rows)
