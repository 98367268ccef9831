"""A categorical and mixed-type anomaly detector with scikit-learn's interface."""

import numbers
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import scipy.sparse
import torch
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from segqc.base.devices import find_device
from segqc.density import DensityHead
from segqc.tabular.counting.bins import NumberBins
from segqc.tabular.counting.co_occurrence import Company
from segqc.tabular.counting.oddest_level import OddestLevel
from segqc.tabular.counting.tails import NumberSpread
from segqc.tabular.counting.trees import ContextTrees, marginals
from segqc.tabular.encoding import Encoded, TableEncoder, choose_categorical, like_identifiers
from segqc.tabular.io.columns import Columns, is_dataframe, read_columns
from segqc.tabular.network.models import MixingModel, PaperModel, TableModel
from segqc.tabular.network.training import TrainingConfig, train
from segqc.tabular.network.views import half_views
from segqc.tabular.scoring import by_distinct, level_norms, level_surprise

METHODS = ("mixing", "paper")
_SOME_ROWS = 20_000  # that the threshold, and what is usual at every level, are taken from, at most


class GumbelScoreDetector(OutlierMixin, BaseEstimator):
    """Rows that do not look like the training rows, and the cells that make them so.

    Parameters
    ----------
    method : {"mixing", "paper"}
        ``mixing`` (ours): how surprising the cells are at a ladder of numbers of known cells, as counting sees it
        (context trees), and given half of the row, as a network sees it that predicts any columns from any others; a
        row's score is that of the level where it is oddest, plus that of the company that its cells keep in other rows.
        ``paper``: Gumbel noise score matching as published: score norms of the clean row at 20 temperatures, then a
        Gaussian mixture.
    categorical_features : "infer", "all", None, a bool mask, names or indices
        ``infer``: text, booleans, objects and categories (of pandas, polars or Arrow, integers too) are categorical;
        numbers, decimals and dates are continuous, dates as seconds since 1970 in UTC: later than all training rows is
        beyond the range. Outcomes of a column are told apart up to the 256 most frequent; identifiers and free text,
        where most cells have others, say nothing, and `fit` warns of them.
    scaling : {"standard", "quantile"}
        Of continuous columns.
    width, blocks : int
        Of the network (the paper's: 1024, 20).
    dropout : float
    steps, batch_size : int
        Training stops early on validation rows, after `steps` at the latest.
    learning_rate, weight_decay : float
    views : int
        ``mixing``: in how many ways the network sees a row halved, at least; more are steadier and slower.
    weighted : bool
        ``paper``: weigh the KL divergence by l^2 K^2 as in equation (17).
    validation_fraction : float
        Of the rows, split off in `fit` when it is given no validation rows.
    contamination : float
        Share of the training rows that `predict` calls outliers. Of fresh rows it is somewhat more, the more so where
        it is small.
    device : str
        "cpu", "cuda", ...
    random_state : int, RandomState instance or None

    Attributes
    ----------
    offset_ : float
        `decision_function` is `score_samples` minus this.
    columns_ : list of str
        Names of the columns ("0", "1", ... if the training table had none).
    encoder_ : TableEncoder
    model_ : MixingModel or PaperModel
    training_ : TrainingResult
    n_features_in_ : int
    """

    def __init__(
        self,
        method: str = "mixing",
        categorical_features: Any = "infer",
        *,
        scaling: str = "standard",
        width: int = 128,
        blocks: int = 3,
        dropout: float = 0.0,
        steps: int = 2000,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        views: int = 3,
        weighted: bool = False,
        validation_fraction: float = 0.1,
        contamination: float = 0.1,
        device: str = "cpu",
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.categorical_features = categorical_features
        self.scaling = scaling
        self.width = width
        self.blocks = blocks
        self.dropout = dropout
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.views = views
        self.weighted = weighted
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.device = device
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any = None, *, X_validation: Any = None, progress: Callable[[int, float], None] | None = None
    ) -> "GumbelScoreDetector":
        """Learn from inliers.

        Parameters
        ----------
        X : DataFrame (pandas, polars), pyarrow.Table, dict of arrays, rows, or 2-D array
            Inliers, one row each.
        y : ignored
        X_validation : as `X`, optional
            Inliers to stop the training on; by default a part of `X`.
        progress : callable of (step, validation loss), optional
            Called now and then during training.

        Raises
        ------
        ValueError
            On parameters or tables that cannot be used, with what was expected.
        BadInput
            When there is no such device.
        """
        self._check_parameters()
        device = find_device(self.device)
        table = self._read(X, fitting=True)
        if len(table) < 2:
            raise ValueError(f"Expected at least 2 rows to fit, but got {len(table)} sample")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.seed_ = seed
        self.columns_ = table.names
        everything = np.arange(len(table))
        if X_validation is None:
            order = np.random.default_rng(seed).permutation(len(table))
            held_out = round(self.validation_fraction * len(table))
            fitted_on, validation_rows = np.sort(order[held_out:]), np.sort(order[:held_out])
        else:
            fitted_on, validation_rows = everything, np.empty(0, int)
        training_table = table.take(fitted_on)
        self.encoder_ = TableEncoder.fit(
            training_table, choose_categorical(table, self.categorical_features), self.scaling
        )
        if suspects := like_identifiers(training_table, self.encoder_):
            said = (
                "looks like an identifier: leave it out"
                if len(suspects) == 1
                else "look like identifiers: leave them out"
            )
            warnings.warn(
                f"Most rows have a rare value, or one of their own, in {', '.join(suspects)}: {said}", stacklevel=2
            )
        all_rows = self.encoder_.transform(table)
        rows = all_rows.take(fitted_on)
        validation = (
            all_rows.take(validation_rows)
            if X_validation is None
            else self.encoder_.transform(self._read(X_validation))
        )
        if not len(validation):
            validation = rows
        # initial weights and dropout come from torch's global generator; leave it as it was
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model_: Any = self.build_model()
            if self.method == "mixing":
                self.model_.set_marginals(marginals(rows.codes, self.encoder_.sizes))
            self.model_.to(device)
            config = TrainingConfig(self.steps, self.batch_size, self.learning_rate, self.weight_decay)
            self.training_ = train(self.model_, rows, validation, config, seed, progress)
        self._prepare(rows, validation)
        self.offset_ = float(np.percentile(self._score(_some(all_rows, seed)), 100 * self.contamination))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal rows are, float64 `[n]`: higher = more normal. A row's score does not depend on the other rows."""
        check_is_fitted(self)
        return self._score(self.encoder_.transform(self._read(X)))

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` minus `offset_`, `[n]`: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers, +1 for inliers, int64 `[n]`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def explain(self, X: Any) -> np.ndarray:
        """What each column contributes to how anomalous a row is, float64 `[n, C]`, in the order of `columns_`.

        With ``mixing`` they are the surprises of the cells at the row's oddest level minus what is usual there, weighed
        by column and level, plus how odd the rest of the rows is that have the cell's outcome (negative: plainer than
        usual), and sum to ``-score_samples(X)``. The mixture of ``paper`` is no sum over columns: there, a contribution
        is the column's squared score norm in standard deviations above its mean over validation inliers, averaged over
        the levels.
        """
        check_is_fitted(self)
        rows = self.encoder_.transform(self._read(X))
        if self.method == "mixing":
            return self._cells(rows)
        return ((level_norms(self.model_, rows) - self.norm_mean_) / self.norm_scale_).mean(1)

    def save(self, folder: Path | str) -> None:
        """Write the fitted detector to a folder: safetensors and JSON, no pickle."""
        from segqc.tabular.storage import save_detector

        check_is_fitted(self)
        save_detector(self, Path(folder))

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> "GumbelScoreDetector":
        """Read what `save` wrote.

        Raises
        ------
        BadInput
            When the folder is not such a detector, or there is no such device.
        """
        from segqc.tabular.storage import load_detector

        return load_detector(cls, Path(folder), device)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    def _check_parameters(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"Expected `method` to be one of {', '.join(METHODS)}, but got {self.method!r}")
        if self.scaling not in ("standard", "quantile"):
            raise ValueError(f"Expected `scaling` to be standard or quantile, but got {self.scaling!r}")
        for name in ("width", "blocks", "steps", "batch_size", "views"):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"Expected `{name}` to be a positive integer, but got {value!r}")
        for name, low, high in (("dropout", 0, 0.95), ("validation_fraction", 0, 0.9), ("contamination", 0, 0.5)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not low <= value <= high:
                raise ValueError(f"Expected `{name}` to be a number from {low} to {high}, but got {value!r}")

    def _read(self, X: Any, fitting: bool = False) -> Columns:
        """Columns of `X`, checked against those of the training table: DataFrames and arrays as scikit-learn does,
        dicts and Arrow tables by name.
        """
        if isinstance(X, dict | pyarrow.Table) and not scipy.sparse.issparse(X):  # one of SciPy's is a dict
            table = read_columns(X)
            if fitting:
                self.n_features_in_, self.feature_names_in_ = len(table.names), np.array(table.names, dtype=object)
            else:
                table = table.select(self.columns_)
        elif is_dataframe(X):
            validate_data(self, X, reset=fitting, skip_check_array=True)
            table = read_columns(X)
            if not fitting and table.names != self.columns_ and not all(isinstance(name, str) for name in X.columns):
                # scikit-learn compares names that are text; where these are integers, columns in another order would go
                # unnoticed.
                raise ValueError(
                    f"Expected the columns {', '.join(self.columns_)} in this order, but got {', '.join(table.names)}"
                )
        else:
            X = np.array(X, dtype=object) if isinstance(X, list | tuple) else X
            table = read_columns(validate_data(self, X, reset=fitting, dtype=None, ensure_all_finite=False))
        if not len(table) or not table.names:
            raise ValueError(
                f"Found array with {len(table)} sample(s) and {len(table.names)} feature(s) while a minimum of 1 is required."
            )
        return table

    def build_model(self) -> TableModel:
        """The untrained network for the columns of `encoder_`; its marginals are uniform until they are set or loaded."""
        sizes, continuous = self.encoder_.sizes, self.encoder_.continuous
        shape = (sizes, continuous, self.width, self.blocks, self.dropout)
        return PaperModel(*shape, weighted=self.weighted) if self.method == "paper" else MixingModel(*shape)

    def _prepare(self, rows: Encoded, validation: Encoded) -> None:
        """What scoring needs besides the network."""
        if self.method == "mixing":
            bins = NumberBins.fit(rows, self.encoder_.continuous)
            self.spread_ = NumberSpread.fit(rows, bins)
            sizes = bins.sizes(self.encoder_.sizes)
            distinct, _, counts = rows.distinct()
            training = bins.codes(distinct), counts
            self.trees_ = ContextTrees.fit(*training, sizes, self.seed_)
            self.views_hidden_, self.views_weights_ = half_views(len(self.columns_), self.views, self.seed_)
            distinct, _, counts = _some(validation, self.seed_).distinct()
            surprise = by_distinct(distinct, self._surprise)
            self.levels_ = OddestLevel.fit(surprise, counts, self.encoder_.continuous)
            mean, scale = self.levels_.mean[0], self.levels_.scale[0]
            oddness = np.repeat(scale**2, sizes) * (
                self.trees_.start + self.spread_.added(sizes) - np.repeat(mean, sizes)
            )
            levels, oddest = self.levels_.excess(surprise).sum(2), self.levels_.contributions(surprise).sum(1)
            self.company_ = Company.fit(training, (bins.codes(distinct), counts), sizes, oddness, levels, oddest)
            return
        norms = level_norms(self.model_, validation)
        self.norm_mean_, self.norm_scale_ = norms.mean(0), np.maximum(norms.std(0), 1e-9)
        features = level_norms(self.model_, rows).mean(2)
        # Rows that are all alike have no density: any difference from them is odd.
        self.density_ = (
            None if np.ptp(features, axis=0).max() < 1e-9 else DensityHead.fit(features, norms.mean(2), seed=self.seed_)
        )

    def _surprise(self, rows: Encoded) -> np.ndarray:
        return level_surprise(self.trees_, self.spread_, self.model_, rows, self.views_hidden_, self.views_weights_)

    def _cells(self, rows: Encoded) -> np.ndarray:
        def contributions(part: Encoded) -> np.ndarray:
            return self.levels_.contributions(self._surprise(part)) + self.company_.contributions(
                self.spread_.bins.codes(part)
            )

        return by_distinct(rows, contributions)

    def _score(self, rows: Encoded) -> np.ndarray:
        if self.method == "mixing":
            return -self._cells(rows).sum(1)
        features = level_norms(self.model_, rows).mean(2)
        return (
            -np.abs(features - self.norm_mean_.mean(1)).sum(1)
            if self.density_ is None
            else -self.density_.score(features)
        )


def _some(rows: Encoded, seed: int) -> Encoded:
    """All rows, or some of very many, in their order."""
    return rows.take(np.sort(np.random.default_rng(seed).permutation(len(rows))[:_SOME_ROWS]))
