"""The audit writes one row per prediction and the same numbers whatever the circumstances.

It lists bad input, and it is resumed after it was killed.
"""

import csv
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from command_line import segqc as segqc_command
from killed import killed_when
from PIL import Image
from two_processes import segqc_by_two

import segqc
from evaluation.metrics.classes import mean_dice
from evaluation.ranking.comparison import DiceComparison
from segqc.auditing import worker as worker_module
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import COLUMNS, audit, rank_rows
from segqc.base import journal as journal_module
from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.cli import app as app_module
from segqc.data import reader as reader_module
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.gallery import layers
from segqc.results.schema import NOT_COMPARED, split_list


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def config(voc: Path, predictions: Path, model: Path, out: Path, **changes: object) -> AuditConfig:
    return AuditConfig(
        **(
            {
                "predictions": predictions,
                "voc_root": voc,
                "model": model,
                "out": out,
                "device": "cpu",
                "image_set": "val",
            }
            | changes
        )
    )


@pytest.fixture(scope="module")
def audited(tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory):
    return audit(
        config(tiny_voc, tiny_predictions, tiny_model, tmp_path_factory.mktemp("audit") / "out"), DiceComparison()
    )


def test_it_writes_what_it_promises(audited) -> None:
    rows = table(audited.out)
    assert tuple(rows[0]) == COLUMNS
    assert [row["rank"] for row in rows] == [str(n) for n in range(1, 7)]
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert pyarrow.parquet.read_table(audited.out / "scores.parquet").column("score").to_pylist() == scores
    summary = json.loads((audited.out / "summary.json").read_text())
    assert (summary["predictions"], summary["scored"], summary["errors"], summary["images_without_prediction"]) == (
        6,
        6,
        0,
        0,
    )
    assert Image.open(audited.out / "contact_sheet.png").width > 100
    assert "scene_00028" in (audited.out / "gallery.html").read_text()
    for row in rows:
        heat = Image.open(audited.out / "heatmaps" / f"{row['id']}.png")
        assert (heat.mode, heat.size) == ("L", (88, 66))
        x0, y0, x1, y1 = map(int, row["worst_box"].split(","))
        assert 0 <= x0 < x1 <= 88
        assert 0 <= y0 < y1 <= 66
        assert row["worst_class"] in DEMO_LABELS.names


def test_dice_comes_from_the_ground_truth_and_the_score_does_not(
    audited, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    for row in audited.rows:
        truth = read_mask(tiny_voc / "SegmentationClass" / f"{row['id']}.png", DEMO_LABELS)
        assert row["dice"] == pytest.approx(
            mean_dice(read_mask(tiny_predictions / f"{row['id']}.png", DEMO_LABELS), truth, 7)
        )
    blind = audit(
        config(
            tiny_voc, tiny_predictions, tiny_model, tmp_path / "blind", voc_root=None, images=tiny_voc / "JPEGImages"
        )
    )
    assert {row["id"]: row["score"] for row in blind.rows} == {row["id"]: row["score"] for row in audited.rows}
    assert all(row["dice"] is None for row in blind.rows)
    assert blind.summary["images_without_prediction"] == 28
    assert "quality" not in blind.summary
    assert audited.summary["quality"]["compared"] == 6


def test_python_gives_the_audits_numbers_singly_in_batches_and_in_any_form(audited, tiny_model: Path) -> None:
    qc = segqc.load(tiny_model, device="cpu")
    ids = [row["id"] for row in audited.rows]
    images = [Image.open(row["image"]) for row in audited.rows]
    masks = [read_mask(row["prediction"], DEMO_LABELS) for row in audited.rows]
    batch = qc.score(images, masks)
    arrays = qc.score(np.stack([np.asarray(image) for image in images][::-1]), np.stack(masks[::-1]))[::-1]
    for row, together, reversed_, image, mask, id_ in zip(audited.rows, batch, arrays, images, masks, ids, strict=True):
        alone = qc.score(image, mask)[0]
        assert alone.score == together.score == reversed_.score == row["score"], id_
        assert alone.features.shape == (1, 3)
        assert (alone.features == together.features).all()
        heat = np.asarray(Image.open(audited.out / "heatmaps" / f"{id_}.png"))
        assert np.abs(heat / 255 - alone.heatmap).max() <= 0.5 / 255 + 1e-6
        assert alone.worst_box == tuple(map(int, row["worst_box"].split(",")))


def test_a_companion_more_or_less_changes_nothing(
    audited, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(tiny_predictions.iterdir())[2:5]:
        shutil.copy(path, few)
    report = audit(config(tiny_voc, few, tiny_model, tmp_path / "out"))
    scores = {row["id"]: row["score"] for row in audited.rows}
    assert all(row["score"] == scores[row["id"]] for row in report.rows)
    assert report.summary["images_without_prediction"] == 3


def test_bad_predictions_are_rows_with_reasons_and_rank_last(
    tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_predictions, tmp_path / "predictions")
    names = sorted(path.stem for path in folder.iterdir())
    (folder / f"{names[0]}.png").write_bytes(b"not a picture")
    write_mask(folder / f"{names[1]}.png", np.zeros((88, 66), np.uint8), DEMO_LABELS)
    Image.fromarray(np.full((66, 88), 40, np.uint8)).save(folder / f"{names[2]}.png")
    Image.fromarray(np.full((66, 88), 255, np.uint8)).save(folder / f"{names[3]}.png")
    write_mask(folder / "nobody.png", np.zeros((66, 88), np.uint8), DEMO_LABELS)
    (folder / "notes.txt").write_text("hello")
    report = audit(config(tiny_voc, folder, tiny_model, tmp_path / "out"), DiceComparison())
    rows = {row["id"]: row for row in table(tmp_path / "out")}
    assert len(rows) == 8
    bad = [names[0], names[1], names[2], names[3], "nobody", "notes.txt"]
    assert {row["id"] for row in report.errors} == set(bad)
    for id_, reason in zip(bad, ("identified|PNG|image", "66x88", "40", "void", "no image", "not a mask"), strict=True):
        row = rows[id_]
        assert row["status"] == "error"
        assert row["score"] == ""
        assert any(word in row["reason"] for word in reason.split("|")), row["reason"]
    assert [row["status"] for row in report.rows] == ["ok"] * 2 + ["error"] * 6
    assert report.summary["errors"] == 6


def test_all_predictions_bad_is_an_error_that_leaves_the_reasons(
    tiny_voc: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "predictions"
    folder.mkdir()
    (folder / "x.png").write_bytes(b"")
    with pytest.raises(BadInput, match=r"nothing could be scored; 1 of 1: has no image x"):
        audit(config(tiny_voc, folder, tiny_model, tmp_path / "out"), DiceComparison())
    assert [row["status"] for row in table(tmp_path / "out")] == ["error"]
    assert read_json(tmp_path / "out" / "summary.json")["score_quantiles"] is None
    assert not (tmp_path / "out" / "gallery.html").exists()


def test_an_unreadable_ground_truth_costs_the_dice_only(
    tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    truth = shutil.copytree(tiny_voc / "SegmentationClass", tmp_path / "truth")
    (truth / "scene_00029.png").write_bytes(b"?")
    report = audit(
        config(tiny_voc, tiny_predictions, tiny_model, tmp_path / "out", ground_truth=truth), DiceComparison()
    )
    row = next(row for row in report.rows if row["id"] == "scene_00029")
    assert (row["status"], row["dice"]) == ("ok", None)
    assert "not compared" in row["reason"]
    assert NOT_COMPARED in split_list(row["warnings"])


def command(model: Path, predictions: Path, voc_root: Path, out: Path) -> list[str]:
    """The audit of the fixture `audited` as a command line."""
    options = {
        "--model": model, "--predictions": predictions, "--voc-root": voc_root, "--image-set": "val", "--out": out,
        "--device": "cpu",
    }  # fmt: skip
    return [sys.executable, "-m", "segqc", "audit", *(str(part) for pair in options.items() for part in pair)]


def test_each_file_is_decoded_once_to_score_and_once_to_show(
    tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contact sheet and review page share what they show, and the journal is read once.

    What is decoded in the look before the audit is not counted.
    """
    counts: Counter[Path] = Counter()

    def counting(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Path, *rest: Any, **named: Any) -> Any:
            counts[Path(path)] += 1
            return original(path, *rest, **named)

        return counted

    for module, name in (
        (reader_module, "read_image"), (reader_module, "read_raster"), (layers, "read_heat"),
        (journal_module, "_whole_lines"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, counting(getattr(module, name)))
    given = config(tiny_voc, tiny_predictions, tiny_model, tmp_path / "out")
    report = audit(given, DiceComparison())
    assert len(report.rows) == 6
    for row in report.rows:
        truth = tiny_voc / "SegmentationClass" / f"{row['id']}.png"
        heat = tmp_path / "out" / "heatmaps" / f"{row['id']}.png"
        assert [counts[Path(path)] for path in (row["image"], row["prediction"], truth, heat)] == [2, 2, 2, 1]
    assert counts[tmp_path / "out" / ".progress" / "rows-0.jsonl"] == 1
    counts.clear()
    audit(given, DiceComparison())
    assert set(counts.values()) == {1}, "what was scored before is decoded to be shown alone"


def test_killed_and_repeated_gives_the_same_table(
    audited, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    arguments = command(tiny_model, tiny_predictions, tiny_voc, tmp_path / "out")
    journal = tmp_path / "out" / ".progress" / "rows-0.jsonl"
    in_the_middle = killed_when(
        lambda: journal.is_file() and journal.read_bytes().count(b"\n") >= 3, segqc_command, *arguments[3:]
    )
    assert in_the_middle, "the audit ended before it could be killed"
    assert not (tmp_path / "out" / "scores.csv").exists()
    half_written = tmp_path / "out" / "heatmaps" / ".0123456789abcdef.tmp.png"  # as where the kill meets a write
    half_written.touch()
    done = segqc_command(*arguments[3:])
    assert "were scored before" in done.stdout
    assert not half_written.exists()
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (audited.out / "scores.csv").read_bytes()


def test_ctrl_c_says_how_to_go_on(
    tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Interrupted in the middle of its pairs: what is finished stays."""
    finished: list[object] = []

    def interrupt(*arguments: object) -> object:
        if len(finished) == 2:
            raise KeyboardInterrupt
        finished.append(score_pair(*arguments))
        return finished[-1]

    score_pair = worker_module.score_pair
    monkeypatch.setattr("segqc.base.scoring.usable_cores", lambda: 1)
    monkeypatch.setattr(worker_module, "score_pair", interrupt)
    monkeypatch.setattr(sys, "argv", ["segqc", *command(tiny_model, tiny_predictions, tiny_voc, tmp_path / "out")[3:]])
    with pytest.raises(SystemExit) as stopped:
        app_module.main()
    assert stopped.value.code == 130
    assert "Stopped. Run the same command again to continue." in capsys.readouterr().err
    assert not (tmp_path / "out" / "scores.csv").exists()
    rows = (tmp_path / "out" / ".progress" / "rows-0.jsonl").read_text().splitlines()[1:]
    assert len(rows) == len(finished)


def test_a_replaced_prediction_or_another_model_is_scored_again(
    tiny_voc, tiny_predictions, tiny_model, tiny_paper_model, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_predictions, tmp_path / "predictions")
    first = audit(config(tiny_voc, folder, tiny_model, tmp_path / "out"))
    changed = sorted(folder.iterdir())[0]
    write_mask(changed, np.full((66, 88), 3, np.uint8), DEMO_LABELS)
    os.utime(changed, ns=(1, 1))
    second = audit(config(tiny_voc, folder, tiny_model, tmp_path / "out"))
    before, after = ({row["id"]: row["score"] for row in report.rows} for report in (first, second))
    assert {id_ for id_ in before if before[id_] != after[id_]} == {changed.stem}
    other = audit(config(tiny_voc, folder, tiny_paper_model, tmp_path / "out"))
    assert all(row["agreement"] is None and row["density"] == row["score"] for row in other.rows)


def test_two_processes_go_on_where_three_left_off_and_write_the_same_table(
    audited, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out, folder = tmp_path / "out", tmp_path / "out" / ".progress"
    shutil.copytree(audited.out / "heatmaps", out / "heatmaps")
    header, *lines = (audited.out / ".progress" / "rows-0.jsonl").read_text().splitlines(keepends=True)
    folder.mkdir()
    for rank in (0, 2):  # one row each, and the one in the middle had none
        (folder / f"rows-{rank}.jsonl").write_text(header + lines[rank])
    before = (folder / "rows-2.jsonl").read_bytes()
    printed = segqc_by_two(*command(tiny_model, tiny_predictions, tiny_voc, out)[3:])
    assert printed.count("Wrote ") == 1, "one of the processes speaks"
    assert "2 of 6 pairs were scored before" in printed
    rows = {path.name: path.read_bytes().count(b"\n") - 1 for path in folder.glob("*.jsonl")}
    assert rows == {"rows-0.jsonl": 3, "rows-1.jsonl": 2, "rows-2.jsonl": 1}, "both have scored two of the other four"
    assert (folder / "rows-2.jsonl").read_bytes() == before
    for name in ("scores.csv", "scores.parquet"):
        assert (out / name).read_bytes() == (audited.out / name).read_bytes()
    for path in (audited.out / "heatmaps").glob("*.png"):
        assert (out / "heatmaps" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("cores", [1, 3])
def test_the_number_of_cores_changes_no_bit(
    audited, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    cores: int,
) -> None:  # fmt: skip
    monkeypatch.setattr("segqc.base.scoring.usable_cores", lambda: cores)
    audit(config(tiny_voc, tiny_predictions, tiny_model, tmp_path / "out"), DiceComparison())
    assert [row["score"] for row in table(tmp_path / "out")] == [row["score"] for row in table(audited.out)]
    for path in (audited.out / "heatmaps").glob("*.png"):
        assert (tmp_path / "out" / "heatmaps" / path.name).read_bytes() == path.read_bytes()


def test_ties_rank_by_id_and_errors_last() -> None:
    rows = [
        {"id": i, "status": s, "score": v}
        for i, s, v in (("b", "ok", 0.5), ("e", "error", None), ("a", "ok", 0.5), ("c", "ok", -3.0))
    ]
    assert [(row["id"], row["rank"]) for row in rank_rows(rows)] == [("a", 1), ("b", 2), ("c", 3), ("e", 4)]


def test_an_object_of_ten_pixels_changes_score_and_heat_map(tiny_model: Path) -> None:
    qc = segqc.load(tiny_model, device="cpu")
    image = Image.fromarray(np.full((375, 500, 3), 120, np.uint8))
    mask = np.zeros((375, 500), np.uint8)
    clean = qc.score(image, mask)[0]
    mask[201:203, 300:305] = 4
    small = qc.score(image, mask)[0]
    assert small.score != clean.score
    x, y = 302, 202
    assert small.heatmap[y - 4 : y + 4, x - 8 : x + 8].mean() != clean.heatmap[y - 4 : y + 4, x - 8 : x + 8].mean()


def test_missing_model_predictions_or_images_say_what_to_do(
    tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for changes, words in (
        ({"model": tmp_path}, "segqc train"),
        ({"model": tmp_path / "nowhere"}, "config.json"),
        ({"predictions": tmp_path / "empty"}, "empty"),
        ({"predictions": tmp_path / "nowhere"}, "nowhere"),
        ({"voc_root": None}, "--images"),
    ):
        with pytest.raises(BadInput, match=words):
            audit(
                config(
                    tiny_voc,
                    **({"predictions": tiny_predictions, "model": tiny_model, "out": tmp_path / "out"} | changes),
                )
            )


def test_levels_that_are_read_change_the_score_and_the_journal_knows(
    tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    whole = audit(config(tiny_voc, tiny_predictions, tiny_model, tmp_path, heatmaps=False))
    context = audit(config(tiny_voc, tiny_predictions, tiny_model, tmp_path, heatmaps=False, levels=(0,)))
    assert {row["id"]: row["score"] for row in whole.rows} != {row["id"]: row["score"] for row in context.rows}
    assert all(row["density"] is None for row in context.rows), "the density is one of all levels"
    assert context.summary["config"]["levels"] == [0]


@pytest.mark.parametrize("levels", [(), (3, 1), (0, 0), (-1,), (9,)])
def test_levels_that_the_ladder_does_not_have_are_refused(tiny_model: Path, levels: tuple) -> None:
    with pytest.raises(ValueError, match=r"0\.\.2"):
        segqc.load(tiny_model, "cpu", levels)


def test_the_paper_score_needs_all_levels(tiny_paper_model: Path) -> None:
    with pytest.raises(ValueError, match="all 20"):
        segqc.load(tiny_paper_model, "cpu", (0,))
    assert segqc.load(tiny_paper_model, "cpu", range(20)).levels == tuple(range(20))
