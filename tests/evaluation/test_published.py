"""The paper's figures beside the rows that rebuild them: where they stand, and where they must not."""

from evaluation.ranking.judging import table_columns
from evaluation.report.paper import DEEP_SVDD, GNSM, with_published


def rows(*names: str) -> list[dict]:
    return [{"method": name} for name in names]


def test_figures_follow_the_last_of_their_rows() -> None:
    published = {"gnsm": GNSM, "svdd a": DEEP_SVDD, "svdd b": DEEP_SVDD}
    found = with_published(rows("trial", "gnsm", "area", "svdd a", "svdd b", "entropy"), published, 50)
    assert [row["method"] for row in found] == [
        "trial", "gnsm", "GNSM, as published", "area", "svdd a", "svdd b", "Deep SVDD, as published", "entropy",
    ]  # fmt: skip


def test_figures_are_those_of_the_paper_and_everything_else_is_empty() -> None:
    _, gnsm, _, svdd = with_published(rows("gnsm", "svdd"), {"gnsm": GNSM, "svdd": DEEP_SVDD}, 50)
    for row, expected in ((gnsm, (-0.53, 0.14, 0.30)), (svdd, (-0.03, -0.12, -0.11))):
        assert set(row) == set(table_columns())
        keys = ("pearson_dice_top", "pearson_msd_top", "pearson_hd95_top")
        assert tuple(row[key] for key in keys) == expected
        assert {value for key, value in row.items() if key not in (*keys, "method")} == {None, 1449}


def test_none_for_another_number_of_images_or_without_such_a_row() -> None:
    assert with_published(rows("gnsm"), {"gnsm": GNSM}, 20) == rows("gnsm")
    assert with_published(rows("trial", "area"), {}, 50) == rows("trial", "area")
