"""A categorical and mixed-type anomaly detector with scikit-learn's interface."""

import dataclasses
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from segqc.base.devices import find_device
from segqc.tabular.containers import CONTAINERS, in_container
from segqc.tabular.encoding import TableEncoder
from segqc.tabular.feature_types import choose_categorical, warn_of_columns
from segqc.tabular.labels import precision_by_labels
from segqc.tabular.network.training import TrainingConfig, TrainingResult
from segqc.tabular.parameters import check_parameters
from segqc.tabular.rows import read_checked
from segqc.tabular.scoring import SCORERS, ScorerSettings
from segqc.tabular.scoring.batches import sample_rows
from segqc.tabular.storage import SavedModel, read_model, whole_model, write_model
from segqc.tabular.unseen import unseen_values


class GumbelScoreDetector(OutlierMixin, BaseEstimator):
    """Finds rows that do not look like the training rows, and the cells that make them anomalous.

    Parameters
    ----------
    method : {"mixing", "paper"}
        ``mixing`` (ours): the sum of the surprises of a row's cells, each how unlikely the cell is given other cells of
        the row: by forests that ask nothing, little, much and all of them.
        ``paper``: Gumbel noise score matching as published: score norms of the clean row at 20 temperatures, then a
        Gaussian mixture.
    categorical_features : "infer", "all", None, a bool mask, names or indices
        ``infer``: text, booleans, objects and categories (of pandas, polars or Arrow, integers too) are categorical;
        numbers, decimals and dates are continuous. Dates are seconds since 1970 in UTC, so that a date later than all
        training rows is beyond the range. A categorical column keeps its 256 most frequent values; identifiers and
        free text, where most cells hold other values, add nothing to a score, and `fit` warns of them.
    trees : int
        ``mixing``: approximate number of trees in all forests together; every column has 3 to 8. More trees are
        steadier and slower.
    scaling : {"standard", "quantile"}
        ``paper``: scaling of the continuous columns. ``mixing`` scales them by median and quartiles.
    width, blocks : int
        ``paper``: size of the network; the published one has width 1024 and 20 blocks.
    dropout : float
        ``paper``.
    steps, batch_size : int
        ``paper``: training stops early by the validation loss, after `steps` at the latest.
    learning_rate, weight_decay : float
        ``paper``.
    weighted : bool
        ``paper``: weigh the KL divergence by l^2 K^2 as in equation (17).
    validation_fraction : float
        Share of the rows that `fit` holds out for validation when it is given no validation rows.
    contamination : float
        Share of the training rows that `predict` calls outliers. On fresh rows the share is somewhat larger, most of
        all for small values.
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
    scorer_ : MixingScorer or PaperScorer
        What was learnt.
    training_ : TrainingResult or None
        What the training of the network came to; None for ``mixing``, which has none.
    n_features_in_ : int
    """

    def __init__(
        self,
        method: str = "mixing",
        categorical_features: Any = "infer",
        *,
        trees: int = 200,
        scaling: str = "standard",
        width: int = 128,
        blocks: int = 3,
        dropout: float = 0.0,
        steps: int = 2000,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        weighted: bool = False,
        validation_fraction: float = 0.1,
        contamination: float = 0.1,
        device: str = "cpu",
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.categorical_features = categorical_features
        self.trees = trees
        self.scaling = scaling
        self.width = width
        self.blocks = blocks
        self.dropout = dropout
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
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
            Inliers that settle how much counts are smoothed, or when a training stops; by default a part of `X`.
        progress : callable of (step, validation loss), optional
            Called now and then during the training of a network.

        Raises
        ------
        ValueError
            On parameters or tables that cannot be used, with what was expected.
        BadInput
            When there is no such device.
        """
        check_parameters(self.get_params())
        device = find_device(self.device)
        table = read_checked(self, X, fitting=True)
        if len(table) < 2:
            raise ValueError(f"Expected at least 2 rows to fit, but got {len(table)} sample")
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.columns_ = table.names
        fitted_on, held_out = self._split(len(table)) if X_validation is None else (np.arange(len(table)), None)
        training_table = table.take(fitted_on)
        categorical = choose_categorical(table, self.categorical_features)
        method = SCORERS[self.method]
        self.encoder_ = TableEncoder.fit(training_table, categorical, method.scaling or self.scaling)
        warn_of_columns(training_table, self.encoder_)
        all_rows = self.encoder_.transform(table)
        rows = all_rows.take(fitted_on)
        validation = (
            self.encoder_.transform(read_checked(self, X_validation)) if held_out is None else all_rows.take(held_out)
        )
        self.scorer_ = method.fit(
            self.encoder_, self._settings(), rows, validation if len(validation) else rows, self.seed_, device, progress
        )
        scores = self.scorer_.scores(sample_rows(all_rows, self.seed_))
        self.offset_ = float(np.percentile(-scores, 100 * self.contamination))
        return self

    def _split(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows held out, drawn at random and sorted."""
        order = np.random.default_rng(self.seed_).permutation(count)
        held_out = round(self.validation_fraction * count)
        return np.sort(order[held_out:]), np.sort(order[:held_out])

    @property
    def training_(self) -> TrainingResult | None:
        """What the training of the network came to, `paper` only."""
        return self.scorer_.training

    def score_samples(self, X: Any) -> np.ndarray:
        """Normality of rows, float64 `[n]`, higher = more normal. A row's score does not depend on the other rows.

        Warns of columns most of whose cells are values that training did not have (`segqc.tabular.unseen`).
        """
        check_is_fitted(self)
        table = read_checked(self, X)
        rows = self.encoder_.transform(table)
        for warning in unseen_values(self.encoder_, table, rows):
            warnings.warn(warning, stacklevel=2)
        return -self.scorer_.scores(rows)

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` minus `offset_`, `[n]`: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers, +1 for inliers, int64 `[n]`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def score(self, X: Any, y: Any = None) -> float:
        """How good the detector is on rows, higher = better: what a search for parameters goes by without a scorer.

        Parameters
        ----------
        X : as in `fit`
        y : array-like `[n]`, optional
            Labels: -1 and 1 as in scikit-learn, or 1 and 0 as in PyOD, the outlier first.

        Returns
        -------
        float
            With labels the average precision of the ranking. Without, or with other labels, of which it warns, the mean
            log-probability of a row in nats: of the product of the conditional probabilities of its cells, with a
            constant for the training rows. It compares parameters of one `method`.
        """
        normality = self.score_samples(X)
        precision = None if y is None else precision_by_labels(y, normality)
        return float(normality.mean()) - self.scorer_.usual_score if precision is None else precision

    def set_output(self, *, transform: str | None = None) -> "GumbelScoreDetector":
        """Choose what `explain` returns, as with scikit-learn's transformers: "default" (an array), "pandas" or
        "polars"; None changes nothing. `sklearn.set_config(transform_output=...)` chooses for all.

        Raises
        ------
        ValueError
            When it is none of these.
        """
        if transform not in (None, *CONTAINERS):
            raise ValueError(f"Expected `transform` to be one of {', '.join(CONTAINERS)}, but got {transform!r}")
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}  # the name that scikit-learn's `clone` copies
        return self

    def explain(self, X: Any, as_frame: bool | None = None) -> Any:
        """Contribution of each column to the anomaly of a row, float64 `[n, C]`, in the order of `columns_`.

        With ``mixing`` a contribution is the surprise of the cell minus the mean of its column, in nats. Contributions
        sum to ``-score_samples(X)``. The mixture of ``paper`` is no sum over columns: there, a contribution is the
        column's squared score norm in standard deviations above its mean over validation inliers, averaged over the
        levels.

        Parameters
        ----------
        X : as in `fit`
        as_frame : bool or None
            True for a pandas DataFrame with the names of the columns, and the index of `X` where it has one; False for
            an array; None for what `set_output` chose.
        """
        check_is_fitted(self)
        found = self.scorer_.contributions(self.encoder_.transform(read_checked(self, X)))
        chosen = getattr(self, "_sklearn_output_config", {}).get("transform", get_config()["transform_output"])
        container = chosen if as_frame is None else "pandas" if as_frame else "default"
        return in_container(found, self.columns_, X, container)

    def save(self, folder: Path | str) -> None:
        """Write the fitted detector to a folder: safetensors and JSON, no pickle.

        Raises
        ------
        BadInput
            When the folder holds something else, or is a file.
        """
        check_is_fitted(self)
        columns = self.encoder_.to_json()
        parameters = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in self.get_params().items()
        }
        chosen = self.categorical_features
        if chosen is not None and not isinstance(chosen, str):
            parameters["categorical_features"] = [one.item() if isinstance(one, np.generic) else one for one in chosen]
        parameters["random_state"] = self.seed_
        config = {
            "parameters": parameters,
            "seed": self.seed_,
            "named": hasattr(self, "feature_names_in_"),
            "columns": columns,
            "offset": self.offset_,
            "training": dataclasses.asdict(self.training_) if self.training_ is not None else None,
        }
        write_model(Path(folder), SavedModel(config, self.scorer_.to_arrays(), self.scorer_.density))

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> "GumbelScoreDetector":
        """Read what `save` wrote.

        Raises
        ------
        BadInput
            When the folder is not such a detector, or there is no such device.
        """
        found = find_device(device)
        saved = read_model(Path(folder))
        with whole_model(Path(folder)):
            detector = cls(**saved.config["parameters"])
            check_parameters(detector.get_params())
            detector._restore(saved)
            # A row of nothing but missing cells is scored: what does not fit together fails here and not in the middle
            # of a table.
            scores = detector.score_samples({name: [None] for name in detector.columns_})
            if not np.isfinite(scores).all():
                raise ValueError("scores that are not finite")
        detector.set_params(device=device)
        detector.scorer_.to(found)
        return detector

    def _restore(self, saved: SavedModel) -> None:
        """Become fitted as the detector that was saved."""
        config = saved.config
        self.seed_, self.offset_ = config["seed"], config["offset"]
        if not math.isfinite(self.offset_):
            raise ValueError("numbers that are not finite in offset")
        self.encoder_ = TableEncoder.from_json(config["columns"])
        self.columns_ = list(self.encoder_.names)
        self.n_features_in_ = len(self.columns_)
        if config["named"]:
            self.feature_names_in_ = np.array(self.columns_, dtype=object)
        method = SCORERS[self.method]
        self.scorer_ = method.from_arrays(saved.arrays, saved.density, self.encoder_, self._settings())
        if config["training"] is not None:
            self.scorer_.training = TrainingResult(**config["training"])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    def _settings(self) -> ScorerSettings:
        training = TrainingConfig(self.steps, self.batch_size, self.learning_rate, self.weight_decay)
        return ScorerSettings(self.trees, self.width, self.blocks, self.dropout, self.weighted, training)
