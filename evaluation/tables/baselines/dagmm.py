"""DAGMM (Zong et al. 2018): an autoencoder and a network that assigns its codes to mixture components, trained
together.

    z = [code, relative Euclidean distance, cosine similarity of row and reconstruction]
    gamma = softmax(network(z));  phi, mu, Sigma = moments of z weighted by gamma
    loss = mean ||x - x'||^2 + 0.1 mean E(z) + 0.005 sum 1/diag(Sigma),  E(z) = -log sum_k phi_k N(z; mu_k, Sigma_k)

Sizes, weights, Adam at 1e-4, batches of 1,024 and 200 epochs are those of its experiment on KDDCUP; dropout 0.5 in the
second network. On small sets, where it took more epochs too, there are as many as make 5,000 steps. Ours: gradients
clipped at 5; Sigma gets 1e-6 on its diagonal in training, 1e-4 in the mixture that scores; mixtures are in float64, and
the one that scores is fitted once, on all training rows.
"""

import math
from itertools import pairwise

import numpy as np
import pyarrow
import torch
from torch import Tensor, nn

from evaluation.tables.baselines.base import CAP_SECONDS, CpuBudget, TableBaseline
from evaluation.tables.encoding import BaselineEncoder

_TRAINING_RIDGE, _SCORING_RIDGE = 1e-6, 1e-4


class _Networks(nn.Module):
    """Compression and estimation network."""

    def __init__(self, width: int, hidden: tuple[int, ...], code: int, components: int) -> None:
        super().__init__()
        down, up = (width, *hidden, code), (code, *reversed(hidden), width)
        self.encode = _perceptron(down)
        self.decode = _perceptron(up)
        self.assign = nn.Sequential(
            nn.Linear(code + 2, 10), nn.Tanh(), nn.Dropout(0.5), nn.Linear(10, components), nn.Softmax(dim=1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction `[n, width]` and z `[n, code + 2]`."""
        code = self.encode(x)
        restored = self.decode(code)
        distance = (x - restored).norm(dim=1, keepdim=True) / x.norm(dim=1, keepdim=True).clamp_min(1e-6)
        cosine = torch.cosine_similarity(x, restored, dim=1)[:, None]
        return restored, torch.cat([code, distance, cosine], dim=1)


def _perceptron(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linear layers with tanh between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def moments(z: Tensor, gamma: Tensor, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """phi `[K]`, mu `[K, D]` and Sigma `[K, D, D]` of z `[n, D]` under memberships `[n, K]`: equation (5)."""
    total = gamma.sum(0).clamp_min(1e-12)
    mu = gamma.T @ z / total[:, None]
    centred = z[:, None] - mu
    sigma = torch.einsum("nk,nki,nkj->kij", gamma, centred, centred) / total[:, None, None]
    return total / len(z), mu, sigma + ridge * torch.eye(z.shape[1], dtype=z.dtype)


def energy(z: Tensor, phi: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """E(z) `[n]`, equation (6), by Cholesky factors and logsumexp."""
    factor = torch.linalg.cholesky(sigma)
    centred = (z[:, None] - mu).transpose(0, 1).transpose(1, 2)  # [K, D, n]
    distance = torch.linalg.solve_triangular(factor, centred, upper=False).square().sum(1)
    log_det = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1)
    log_density = (
        -0.5 * (distance + log_det[:, None] + z.shape[1] * math.log(2 * math.pi)) + phi.clamp_min(1e-12).log()[:, None]
    )
    return -torch.logsumexp(log_density, dim=0)


class DAGMM(TableBaseline):
    """The detector; its score is the energy E.

    Parameters
    ----------
    seed : int
    epochs, steps : int
        Length of the training: so many epochs, more where they are fewer steps; it also ends when `cap_seconds` of CPU
        time are spent.
    hidden, code, components
        Sizes of the networks, and the number of mixture components.
    """

    def __init__(
        self,
        seed: int = 0,
        epochs: int = 200,
        steps: int = 5000,
        hidden: tuple[int, ...] = (60, 30, 10),
        code: int = 1,
        components: int = 4,
        batch_size: int = 1024,
        learning_rate: float = 1e-4,
        cap_seconds: float = CAP_SECONDS,
    ) -> None:
        self.seed = seed
        self.epochs = epochs
        self.steps = steps
        self.hidden = hidden
        self.code = code
        self.components = components
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.cap_seconds = cap_seconds

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "DAGMM":
        budget = CpuBudget(self.cap_seconds)
        self.encoder_ = BaselineEncoder().fit(X)
        rows = torch.from_numpy(self.encoder_.one_hot(X))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.networks_ = _Networks(rows.shape[1], self.hidden, self.code, self.components)
            planned = max(self.epochs, -(-self.steps // -(-len(rows) // self.batch_size)))
            epochs = self._train(rows, planned, budget)
        self.epochs_ = f"{epochs} epochs of {len(rows):,} rows, batches of {self.batch_size}" + (
            ", cut by the cap" if epochs < planned else ""
        )
        z, gamma = self._embed(rows)
        self.mixture_ = moments(z, gamma, _SCORING_RIDGE)
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        z, _ = self._embed(torch.from_numpy(self.encoder_.one_hot(X)))
        return energy(z, *self.mixture_).numpy()

    def _train(self, rows: Tensor, epochs: int, budget: CpuBudget) -> int:
        """Train, and return the number of epochs that there was time for."""
        optimizer = torch.optim.Adam(self.networks_.parameters(), lr=self.learning_rate)
        self.networks_.train()
        for epoch in range(epochs):
            for batch in torch.randperm(len(rows)).split(self.batch_size):
                x = rows[batch]
                restored, z = self.networks_(x)
                # rows of few values make nearly singular covariances
                gamma, z = self.networks_.assign(z).double(), z.double()
                phi, mu, sigma = moments(z, gamma, _TRAINING_RIDGE)
                loss = (x - restored).square().sum(1).mean() + 0.1 * energy(z, phi, mu, sigma).mean()
                loss = loss + 0.005 * (1 / sigma.diagonal(dim1=1, dim2=2)).sum()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.networks_.parameters(), 5.0)
                optimizer.step()
            if budget.left() <= 0:
                return epoch + 1
        return epochs

    @torch.no_grad()
    def _embed(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """z and memberships in float64."""
        self.networks_.eval()
        parts = [self.networks_(part)[1] for part in rows.split(65_536)]
        z = torch.cat(parts)
        return z.double(), self.networks_.assign(z).double()
