"""Drift: unchanged scores raise as few alarms as they should, changed ones raise one and say where they went."""

import numpy as np
import pytest
from scipy import stats

from segqc.calibration.drift import DriftMonitor, compare_scores


def test_unchanged_scores_raise_a_false_alarm_about_once_in_a_hundred_windows():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(40):  # a new reference each time: windows that share one are not independent
        monitor = DriftMonitor(rng.random(500), window=50, level=0.01)
        for score in rng.random(500):
            monitor.update(score)
        alarms += sum(window.drifted for window in monitor.windows)
    assert alarms <= 13  # of 400: the 99.9 % quantile of the binomial, with some room for the shared references


@pytest.mark.parametrize(("shift", "direction"), [(0.2, "higher"), (-0.2, "lower")])
def test_a_shift_is_noticed_in_the_first_window_after_it(shift, direction):
    rng = np.random.default_rng(1)
    monitor = DriftMonitor(rng.random(1000), window=100)
    found = [monitor.update(score) for score in np.concatenate([rng.random(100), rng.random(100) + shift])]
    windows = [window for window in found if window is not None]
    assert windows == monitor.windows
    assert [(window.first, window.last, window.drifted) for window in windows] == [(0, 99, False), (100, 199, True)]
    assert windows[1].direction == direction
    assert monitor.drifted
    assert f"scores 100 to 199 are {direction}" in str(windows[1])


def test_the_numbers_are_scipys():
    rng = np.random.default_rng(2)
    scores, reference = rng.random(60), rng.random(300) ** 2
    found, expected = compare_scores(scores, reference, level=0.5), stats.ks_2samp(scores, reference)
    assert (found.statistic, found.p_value) == (expected.statistic, expected.pvalue)


def test_a_last_short_window_counts_when_it_is_long_enough():
    monitor = DriftMonitor(np.arange(100), window=30)
    for score in range(49):
        monitor.update(score)
    assert monitor.close() is None  # 19 are left
    assert len(monitor.windows) == 1
    monitor.update(49)
    assert monitor.close().last == 49


@pytest.mark.parametrize(("reference", "window"), [([0.1] * 19, 100), ([0.1] * 20, 19)])
def test_too_little_to_compare_is_refused(reference, window):
    with pytest.raises(ValueError, match="at least 20 scores"):
        DriftMonitor(reference, window)
