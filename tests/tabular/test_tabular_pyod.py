"""The detector as one of PyOD's: what PyOD's own tests ask of each of its detectors."""

import numpy as np
import pandas
import pytest
from sklearn.base import clone

from segqc.tabular import GumbelScoreDetector

base = pytest.importorskip("pyod.models.base")
utility = pytest.importorskip("pyod.utils.data")
from segqc.tabular.pyod import PyODDetector  # noqa: E402 - it needs PyOD

Matrices = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def data() -> Matrices:
    return utility.generate_data(n_train=200, n_test=100, n_features=2, contamination=0.1, random_state=42)


@pytest.fixture(scope="module")
def fitted(data: Matrices) -> PyODDetector:
    return PyODDetector(contamination=0.1, random_state=0, trees=20).fit(data[0])


def test_training_leaves_the_attributes_of_a_base_detector(fitted: PyODDetector, data: Matrices) -> None:
    assert isinstance(fitted, base.BaseDetector)
    assert fitted.n_features_in_ == 2
    assert np.array_equal(fitted.decision_function(data[0]), fitted.decision_scores_)
    assert np.array_equal(fitted.labels_ == 1, fitted.decision_scores_ > fitted.threshold_)
    assert fitted.labels_.sum() == 20
    assert (fitted._mu, fitted._sigma) == (fitted.decision_scores_.mean(), fitted.decision_scores_.std())
    assert "PyODDetector(" in repr(fitted)


def test_predictions_probabilities_and_confidence(fitted: PyODDetector, data: Matrices) -> None:
    rows, labels = data[1], data[3]
    predicted, confidence = fitted.predict(rows, return_confidence=True)
    assert (predicted == labels).mean() >= 0.9
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    for method in ("linear", "unify"):
        probability = fitted.predict_proba(rows, method=method)
        assert probability.shape == (100, 2)
        assert np.allclose(probability.sum(1), 1)
    with pytest.raises(ValueError, match="not a valid probability"):
        fitted.predict_proba(rows, method="something")
    assert set(fitted.predict_with_rejection(rows)) <= {-2, 0, 1}
    assert fitted._predict_rank(rows).shape == (100,)


def test_fitting_again_gives_labels_and_a_score(data: Matrices) -> None:
    detector = PyODDetector(contamination=0.1, random_state=0, trees=20)
    assert np.array_equal(detector.fit_predict(data[0]), detector.labels_)
    with pytest.warns(FutureWarning):
        assert detector.fit_predict_score(data[0], data[2], scoring="prc_n_score") >= 0.8


def test_tables_of_categories_are_taken_as_they_are() -> None:
    table = pandas.DataFrame({"a": ["x", "y"] * 60, "b": ["p", "q"] * 60})
    detector = PyODDetector(random_state=0).fit(table)
    assert detector.predict(pandas.DataFrame({"a": ["x", "x"], "b": ["p", "q"]})).tolist() == [0, 1]
    assert np.array_equal(-detector.detector_.score_samples(table), detector.decision_scores_)


def test_it_can_be_cloned_and_set() -> None:
    detector = PyODDetector(contamination=0.2, random_state=3, steps=50)
    copy = clone(detector)
    same = GumbelScoreDetector(contamination=0.2, random_state=3, steps=50).get_params()
    assert copy.get_params() == detector.get_params() == same
    copy.set_params(contamination=0.3, steps=7)
    assert (copy.contamination, copy.get_params()["steps"]) == (0.3, 7)
    assert (detector.contamination, detector.get_params()["steps"]) == (0.2, 50)
    with pytest.raises(ValueError, match="'depth'"):
        copy.set_params(depth=1)
    with pytest.raises(ValueError, match="contamination must be in"):
        PyODDetector(contamination=0.7)
