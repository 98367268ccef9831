"""A calibration as a file: what it decides, what it says of itself, and for which model it is refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from segqc.auditing.decisions import judge_rows, summarise_decisions
from segqc.base.errors import BadInput
from segqc.calibration.calibration import Calibration, Goals
from segqc.calibration.conformal import benjamini_hochberg, conformal_p_values
from segqc.calibration.fit import Evidence, fit_calibration
from segqc.calibration.storage import check_fits, find_calibration, load_calibration, save_calibration
from segqc.results.schema import DECISION_COLUMNS, names

MODEL = "0123456789abcdef"


def labelled(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and a Dice that falls with them: from nearly always 0.95 to nearly always 0.1."""
    rng = np.random.default_rng(seed)
    scores = rng.random(count)
    return scores, np.clip(0.95 - 0.9 * scores + rng.normal(0, 0.05, count), 0, 1)


@pytest.fixture(scope="module")
def by_dice() -> Calibration:
    scores, dice = labelled()
    return fit_calibration(Evidence(MODEL, scores, labelled=(scores, dice), audit="audit"))


@pytest.fixture(scope="module")
def by_acceptance() -> Calibration:
    scores = np.random.default_rng(1).random(300)
    return fit_calibration(Evidence(MODEL, scores, levels=(0, 2), accepted=scores[:199]))


def test_it_survives_the_disk(by_dice, by_acceptance, tmp_path: Path):
    for number, calibration in enumerate((by_dice, by_acceptance)):
        path = tmp_path / f"{number}.json"
        save_calibration(path, calibration)
        assert load_calibration(path) == calibration
        assert json.loads(path.read_text())["format"] == "segqc-calibration-1"
        assert load_calibration(path).judge(0.7) == calibration.judge(0.7)


def test_it_carries_what_it_was_fitted_on(by_dice, by_acceptance):
    assert by_dice.source == "labelled"
    assert by_dice.counts["audited"] == by_dice.counts["labelled"] == 400
    assert by_dice.counts["accepted"] + by_dice.counts["failed"] == 400
    assert by_acceptance.source == "accepted"
    assert by_acceptance.counts == {"audited": 300, "accepted": 199}
    assert list(by_acceptance.reference) == sorted(by_acceptance.reference)
    assert len(by_acceptance.reference) == 300
    assert by_acceptance.quantiles["0.5"] == pytest.approx(np.median(by_acceptance.reference))


def test_a_long_reference_is_thinned_to_the_same_distribution():
    scores = np.random.default_rng(0).normal(size=10_000)
    thinned = fit_calibration(Evidence(MODEL, scores, accepted=scores)).reference
    assert len(thinned) == 2000
    assert (thinned[0], thinned[-1]) == (scores.min(), scores.max())
    np.testing.assert_allclose(np.quantile(thinned, [0.1, 0.5, 0.9]), np.quantile(scores, [0.1, 0.5, 0.9]), atol=0.01)


def test_decisions_from_p_values(by_acceptance):
    accepted = np.array(by_acceptance.accepted)
    for score in (0.0, 0.5, *accepted[[-25, -20, -19, -10, -2, -1]], 1.1):
        found = by_acceptance.judge(score)
        assert found.p_value == conformal_p_values([score], accepted)[0]
        assert found.decision == ("fail" if found.p_value <= 0.01 else "review" if found.p_value <= 0.1 else "pass")
        assert found.expected_dice is None
        assert found.interval is None
    assert by_acceptance.judge(1.1).decision == "fail"  # 1/200
    assert by_acceptance.judge(accepted[-1]).decision == "fail"  # 2/200
    assert by_acceptance.judge(accepted[-2]).decision == "review"  # 3/200


def test_decisions_from_dice(by_dice):
    threshold = by_dice.threshold.value
    assert 0.3 < threshold < 0.55
    assert by_dice.judge(threshold).decision == "pass"
    between = by_dice.judge(threshold + 1e-6)
    assert between.decision == "review"
    assert between.interval[0] <= between.expected_dice <= between.interval[1]
    sure = by_dice.judge(0.95)
    assert sure.decision == "fail"
    assert sure.interval[1] < 0.5


def test_where_no_threshold_qualifies_nothing_passes():
    scores, dice = labelled(40)
    calibration = fit_calibration(Evidence(MODEL, scores, labelled=(scores, dice)))
    assert calibration.threshold.value is None
    assert {calibration.judge(score).decision for score in np.linspace(0, 1, 21)} <= {"review", "fail"}
    assert any("no threshold qualifies" in said for said in calibration.statements())


def test_accepted_and_labelled_come_together():
    scores, dice = labelled()
    both = fit_calibration(Evidence(MODEL, scores, accepted=scores[:50], labelled=(scores, dice)))
    assert both.source == "accepted and labelled"
    assert both.accepted == tuple(sorted(scores[:50]))
    assert both.dice is not None


def test_true_masks_are_announced(by_acceptance):
    calibration = fit_calibration(Evidence(MODEL, [0.1, 0.3, 0.2], ground_truth=True))
    assert calibration.accepted == (0.1, 0.2, 0.3)
    assert "true masks" in calibration.warning
    assert by_acceptance.warning is None
    rows = [{"id": "a", "status": "ok", "score": 0.2}]
    assert calibration.warning in summarise_decisions(judge_rows(rows, calibration), [], calibration)["warnings"]
    with pytest.raises(ValueError, match="do not mix"):
        fit_calibration(Evidence(MODEL, [0.1], accepted=[0.1], ground_truth=True))


def test_nothing_known_is_refused():
    with pytest.raises(ValueError, match="Expected accepted predictions"):
        fit_calibration(Evidence(MODEL, [0.1, 0.2]))


def test_few_accepted_predictions_cannot_fail_anything_and_it_says_so():
    calibration = fit_calibration(Evidence(MODEL, np.arange(50), accepted=np.arange(50)))
    assert calibration.judge(1000).decision == "review"
    assert any("fewer than 99 accepted" in said for said in calibration.statements())


def test_another_model_or_other_levels_are_refused(by_dice, by_acceptance, tmp_path: Path):
    check_fits(by_dice, "file", MODEL, None, range(9))
    check_fits(by_dice, "file", MODEL, range(9), range(9))
    with pytest.raises(BadInput, match="fitted on scores of the model 0123456789abcdef, but this is fedc"):
        check_fits(by_dice, "file", "fedc", None, range(9))
    with pytest.raises(BadInput, match="noise levels 0, 2, but 0, 1, 2 are read"):
        check_fits(by_acceptance, "file", MODEL, None, range(3))
    path = tmp_path / "calibration.json"
    assert find_calibration(tmp_path, None, MODEL, None, range(3)) is None
    save_calibration(path, by_acceptance)
    assert find_calibration(tmp_path, None, MODEL, (0, 2), range(3)) == by_acceptance
    with pytest.raises(BadInput, match="fitted on scores of the model"):
        find_calibration(tmp_path, path, "fedc", (0, 2), range(3))
    # the one in the folder must not stand in the way of making a new one
    with pytest.warns(UserWarning, match="not used"):
        assert find_calibration(tmp_path, None, "fedc", (0, 2), range(3)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": "segqc-calibration-9"}, {"reference": [0.2, 0.1]}, {"accepted": []}, {"accepted": ["x"]},
        {"colour": "red"},
        {"goals": {"fdr": 2}}, {"goals": {"fdr": "a"}}, {"dice": {"knots": [1]}},
    ],
)  # fmt: skip
def test_damaged_files_are_refused(by_acceptance, tmp_path: Path, change):
    path = tmp_path / "calibration.json"
    save_calibration(path, by_acceptance)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=r"calibration\.json: .*segqc calibrate"):
        load_calibration(path)
    path.write_text("[]")
    with pytest.raises(BadInput, match="not a calibration"):
        load_calibration(path)


def test_goals_are_shares():
    for name in (field.name for field in dataclasses.fields(Goals)):
        for bad in (0, 1, -0.1, True, None):
            with pytest.raises(ValueError, match=name):
                Goals(**{name: bad})


def test_rows_get_the_same_numbers_as_single_scores_and_a_batch_its_flags(by_acceptance):
    scores = np.concatenate([np.random.default_rng(5).random(40), np.full(10, 2.0)])
    rows = [{"id": f"{i}", "status": "ok", "score": float(score)} for i, score in enumerate(scores)]
    bad = {"id": "bad", "status": "error", "score": None}
    judged = judge_rows([*rows, bad], by_acceptance)
    p_values = [by_acceptance.judge(score).p_value for score in scores]
    assert [row["p_value"] for row in judged[:-1]] == p_values
    assert [row["decision"] for row in judged[:-1]] == [by_acceptance.judge(score).decision for score in scores]
    np.testing.assert_array_equal([row["flagged"] for row in judged[:-1]], benjamini_hochberg(p_values, 0.1))
    assert all(row["flagged"] for row in judged[40:50])
    assert judged[-1] == bad | dict.fromkeys(names(DECISION_COLUMNS)) | {"decision": "review"}
    summary = summarise_decisions(judged, [], by_acceptance)
    assert sum(summary["decisions"].values()) == 51
    assert summary["flagged"] == sum(bool(row["flagged"]) for row in judged)


@pytest.mark.parametrize(("batch", "needed"), [(20, None), (21, 2), (400, 20)])
def test_it_says_when_a_batch_is_too_large_for_so_few_accepted(by_acceptance, batch, needed):
    for above in {0, (needed or 1) - 1, needed or 1}:
        scores = [2.0] * above + [0.0] * (batch - above)
        rows = judge_rows(
            [{"id": f"{i}", "status": "ok", "score": score} for i, score in enumerate(scores)], by_acceptance
        )
        assert sum(bool(row["flagged"]) for row in rows) == (above if above >= (needed or 1) else 0)
        said = [
            text for text in summarise_decisions(rows, [], by_acceptance)["statements"] if "flagging begins" in text
        ]
        assert said == [] if needed is None else f"when {needed} of the batch" in said[0]


def test_an_audit_whose_scores_have_moved_is_warned_of(by_acceptance):
    rng = np.random.default_rng(3)
    same = judge_rows(
        [{"id": f"{i}", "status": "ok", "score": s} for i, s in enumerate(rng.random(100))], by_acceptance
    )
    moved = judge_rows(
        [{"id": f"{i}", "status": "ok", "score": s} for i, s in enumerate(rng.random(100) + 0.5)], by_acceptance
    )
    assert summarise_decisions(same, [], by_acceptance)["warnings"] == []
    summary = summarise_decisions(moved, [], by_acceptance)
    assert summary["drift"]["drifted"]
    assert "higher" in summary["warnings"][0]
