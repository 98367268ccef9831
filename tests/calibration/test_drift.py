"""Drift: unchanged scores raise as few alarms as they should, changed ones raise one and say where they went."""

import numpy as np
import pytest
from scipy import stats

from segqc.calibration.drift import DriftMonitor, compare_scores


def false_alarms(level: float, streams: int, windows: int) -> int:
    """Streams of unchanged scores with any alarm; each has a reference of its own, that all its windows share."""
    alarms, rng = 0, np.random.default_rng(0)
    for _ in range(streams):
        monitor = DriftMonitor(rng.random(100), window=40, level=level)
        for score in rng.random(40 * windows):
            monitor.update(score)
        alarms += monitor.drifted
    return alarms


def test_a_stream_without_drift_raises_no_more_false_alarms_than_the_level_however_many_windows_it_has():
    streams, level = 120, 0.2
    # The 99.9 % quantile of the binomial. A level of 0.2 for every one of the 12 windows would alarm in most streams.
    assert false_alarms(level, streams, windows=12) <= stats.binom.ppf(0.999, streams, level) == 38


def test_the_levels_of_all_windows_and_of_all_looks_at_them_add_up_to_the_level():
    monitor = DriftMonitor(np.arange(100), window=50, level=0.01)
    windows = [[monitor.level_of(number, length) for length in range(20, 51)] for number in range(1, 2001)]
    assert sum(map(sum, windows)) == pytest.approx(0.01 * (1 - 1 / 2001))
    assert monitor.level_of(1, 50) == pytest.approx(0.01 / 4)


def test_a_drift_that_passes_is_not_forgotten():
    rng = np.random.default_rng(3)
    monitor = DriftMonitor(rng.random(1000), window=100)
    for score in np.concatenate([rng.random(100), rng.random(100) + 0.4, rng.random(100)]):
        monitor.update(score)
    assert [window.drifted for window in monitor.windows] == [False, True, False]
    assert monitor.drifted


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
