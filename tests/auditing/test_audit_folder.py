"""Whose an audit's folder is: results of other files are not taken for these, nothing foreign is lost, and one audit
writes at a time.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_data import page_data

from segqc.auditing import run as audit_module
from segqc.auditing import worker as worker_module
from segqc.auditing.config import AuditConfig
from segqc.auditing.folder import WRITTEN
from segqc.auditing.run import AuditReport, audit
from segqc.base.errors import BadInput
from segqc.base.parts import Parts
from segqc.data.masks import read_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.results.table import read_audit_table


@pytest.fixture
def folders(tiny_voc: Path, tiny_predictions: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of three pictures, and their masks as NPY files of one size."""
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    for path in sorted(tiny_predictions.iterdir())[:3]:
        shutil.copy(tiny_voc / "JPEGImages" / f"{path.stem}.jpg", images)
        write_old(masks / f"{path.stem}.npy", read_mask(path, DEMO_LABELS))
    return images, masks


@pytest.fixture
def run(folders: tuple[Path, Path], tiny_model: Path, tmp_path: Path):
    """An audit of these folders, or others, into one folder."""

    def run(
        images: Path = folders[0], masks: Path = folders[1], out: Path = tmp_path / "out", **changes: Any
    ) -> AuditReport:
        return audit(
            AuditConfig(
                **({"predictions": masks, "images": images, "model": tiny_model, "out": out, "device": "cpu"} | changes)
            )
        )

    return run


def write_old(path: Path, mask: np.ndarray) -> None:
    """A mask with the time that an archive gives it."""
    path.parent.mkdir(exist_ok=True)
    np.save(path, mask)
    os.utime(path, (10**9, 10**9))


def write_others(masks: Path, folder: Path) -> Path:
    """Other masks of the same names, sizes and times."""
    for path in sorted(masks.iterdir()):
        write_old(folder / path.name, np.where(np.load(path) == 0, 3, 0).astype(np.uint8))
    return folder


def scores(report: AuditReport) -> dict[str, float]:
    return {row["id"]: row["score"] for row in report.rows}


def scored_anew(report: AuditReport) -> bool:
    return report.summary["pairs_per_second"] is not None


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_times(content: bytes) -> bytes:
    return re.sub(rb'"(seconds|pairs_per_second|peak_memory_gib)": ?[^,}]*,?', b"", content)


def test_another_folder_of_equal_sizes_and_times_is_scored_for_itself(run, folders, tmp_path: Path) -> None:
    first = run()
    others = write_others(folders[1], tmp_path / "others")
    second, alone = run(masks=others), run(masks=others, out=tmp_path / "alone")
    assert scores(second) == scores(alone) != scores(first)
    assert {Path(row["prediction"]).parent for row in second.rows} == {others}


def test_files_replaced_under_their_names_with_their_sizes_and_times_are_scored_again(
    run, folders, tmp_path: Path
) -> None:
    first = run()
    write_others(folders[1], tmp_path / "others")
    shutil.rmtree(folders[1])
    (tmp_path / "others").rename(folders[1])
    assert all(score != scores(first)[id_] for id_, score in scores(run()).items())


def test_the_table_of_moved_folders_names_them_where_they_are(run, folders, tmp_path: Path) -> None:
    first = run()
    moved = [folder.rename(tmp_path / f"{folder.name}_new") for folder in folders]
    again = run(*moved)
    assert scores(again) == scores(first)
    for row in again.rows:
        assert [Path(row["image"]).parent, Path(row["prediction"]).parent] == moved
        assert Path(row["image"]).is_file()
        assert Path(row["prediction"]).is_file()


def test_the_same_files_by_other_words_keep_their_scores_and_are_named_by_these(
    run, folders, tmp_path: Path, monkeypatch
) -> None:
    run()
    monkeypatch.chdir(tmp_path)
    again = run(Path("images"), Path("masks"))
    assert not scored_anew(again)
    assert all(row["image"].startswith("images/") and row["prediction"].startswith("masks/") for row in again.rows)


def test_lost_heat_maps_come_back(run, folders, tmp_path: Path) -> None:
    (folders[1] / "broken.png").write_bytes(b"?")  # has no heat map, and is not read again for that
    shutil.copy(next(folders[0].iterdir()), folders[0] / "broken.jpg")
    run()
    heatmaps = tmp_path / "out" / "heatmaps"
    before = snapshot(heatmaps)
    (heatmaps / sorted(before)[1]).unlink()
    assert scored_anew(run())
    assert snapshot(heatmaps) == before
    assert not scored_anew(run())
    shutil.rmtree(heatmaps)
    run()
    assert snapshot(heatmaps) == before


def test_heat_maps_of_many_pairs_lie_in_many_folders(run, tmp_path: Path, monkeypatch) -> None:
    """Two of three pairs are many here. The table names the files, and an audit that grows moves those it has."""
    few = run()
    assert [row["heatmap"] for row in few.rows] == [f"heatmaps/{row['id']}.png" for row in few.rows]
    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "heatmaps").glob("*.png")}
    monkeypatch.setattr(audit_module, "IN_ONE_FOLDER", 2)
    many, anew = run(), run(out=tmp_path / "anew")
    assert not scored_anew(many)
    for row in many.rows:
        assert re.fullmatch(rf"heatmaps/[0-9a-f]{{2}}/{row['id']}\.png", row["heatmap"])
        assert (tmp_path / "out" / row["heatmap"]).read_bytes() == before[f"{row['id']}.png"]
    assert not list((tmp_path / "out" / "heatmaps").glob("*.png"))
    assert [row["heatmap"] for row in anew.rows] == [row["heatmap"] for row in many.rows]
    table = read_audit_table(tmp_path / "out")
    assert [table.heatmap(row) for row in table.rows] == [tmp_path / "out" / row["heatmap"] for row in many.rows]
    assert all("heat" in row["layers"] for row in page_data(tmp_path / "out" / "gallery.html")["rows"])
    assert {row["heatmap"] for row in run(out=tmp_path / "without", heatmaps=False).rows} == {None}


def test_a_mask_replaced_while_it_is_scored_is_not_recorded_as_scored(run, folders, monkeypatch) -> None:
    changed = sorted(folders[1].iterdir())[0]
    original = worker_module.score_pair

    def replace(qc, item, *rest):
        if item.pair.mask == changed:
            np.save(changed, np.full((66, 88), 2, np.uint8))
        return original(qc, item, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(worker_module, "score_pair", replace)
        before = scores(run())
    after = scores(run())
    assert {id_ for id_ in before if before[id_] != after[id_]} == {changed.stem}


def test_heat_maps_of_another_model_are_not_left_to_the_first(run, tiny_paper_model: Path, tmp_path: Path) -> None:
    run()
    before = snapshot(tmp_path / "out" / "heatmaps")
    part = next((tmp_path / "out" / ".progress").glob("*.jsonl"))
    part.rename(part.with_name("rows-1.jsonl"))  # as after a run of two processes
    run(model=tiny_paper_model)
    assert [path.name for path in part.parent.glob("*.jsonl")] == [part.name]
    assert snapshot(tmp_path / "out" / "heatmaps") != before
    run()
    assert snapshot(tmp_path / "out" / "heatmaps") == before


def test_the_last_of_several_rows_of_a_pair_counts_whichever_process_wrote_it(tmp_path: Path) -> None:
    for age, rank, ids in (("old", 1, "abc"), ("newer", 2, "a"), ("newest", 0, "b")):
        parts = Parts(tmp_path, "rows", rank, {})
        with parts.own:
            for id_ in ids:
                parts.append(id_, {"age": age})
    for rank in range(4):
        rows = Parts(tmp_path, "rows", rank, {}).rows_of("abc")
        assert [row["age"] for row in rows] == ["newer", "newest", "old"]
    with pytest.raises(BadInput, match="has no row of d"):
        Parts(tmp_path, "rows", 0, {}).rows_of("d")


def test_rows_of_any_number_of_processes_are_kept(run, tmp_path: Path) -> None:
    """The rows of a whole audit dealt to the parts of other processes, one of which was killed in a line."""
    run()
    out = run().out  # which has no pairs per second to show, as the last run will have none
    whole = snapshot(out)
    folder = out / ".progress"
    header, *lines = (folder / "rows-0.jsonl").read_text().splitlines(keepends=True)
    (folder / "rows-0.jsonl").unlink()
    for rank in range(4):
        (folder / f"rows-{rank}.jsonl").write_text("".join([header, *lines[rank::4], lines[0][:40]]))
    again = run()
    assert not scored_anew(again)
    for name in ("scores.csv", "scores.parquet", "gallery.html", "contact_sheet.png"):
        assert without_times((out / name).read_bytes()) == without_times(whole[name]), name


@pytest.mark.parametrize(
    "names", [["heatmaps/a.png"], ["scores.csv"], ["scores.csv", "heatmaps/a.png", "classes.json"], ["summary.json"]]
)
def test_a_folder_with_files_of_somebody_else_is_refused_and_left_alone(run, tmp_path: Path, names: list[str]) -> None:
    for name in names:
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (tmp_path / "out" / ".progress").mkdir()
    (tmp_path / "out" / ".progress" / "corruptions.jsonl").touch()  # another command's
    before = snapshot(tmp_path / "out")
    with pytest.raises(BadInput, match=rf"out: holds .*{names[0].split('/')[0]}.* \(choose another --out\)"):
        run()
    assert snapshot(tmp_path / "out") == before


def test_the_hooks_folder_can_be_audited_but_not_overwritten(run, folders, tmp_path: Path) -> None:
    review = tmp_path / "review"
    for folder, name in zip(folders, ("images", "predictions"), strict=True):
        shutil.copytree(folder, review / name)
    (review / "scores.csv").write_text("id,score\n")
    with pytest.raises(BadInput, match=r"holds scores\.csv, but no audit"):
        run(review / "images", review / "predictions", review)
    assert (review / "scores.csv").read_text() == "id,score\n"
    assert not run(review / "images", review / "predictions", review / "audit").errors


def test_an_audit_that_was_killed_before_its_first_row_goes_on(run, tmp_path: Path) -> None:
    whole = snapshot(run().out / "heatmaps")
    for path in (*(tmp_path / "out").glob("*.*"), *(tmp_path / "out" / ".progress").glob("*.jsonl")):
        path.unlink() if path.is_file() else None
    assert scored_anew(run())
    assert snapshot(tmp_path / "out" / "heatmaps") == whole


@pytest.mark.parametrize("left", [".progress/rows-0.jsonl", "summary.json"])
def test_audits_without_the_lock_file_are_known_by_journal_or_summary(run, tmp_path: Path, left: str) -> None:
    """Those of older versions have none."""
    out = run().out
    (out / ".progress" / "audit.lock").unlink()
    kept = (out / left).read_bytes()
    (out / ".progress" / "rows-0.jsonl").unlink()
    (out / "summary.json").unlink()
    (out / left).write_bytes(kept)
    assert scored_anew(run()) is (left == "summary.json")


@pytest.mark.parametrize("out", ["masks/audit", "masks", "images/sub/audit", "."])
def test_outputs_that_lie_among_the_inputs_are_no_inputs(run, folders, tmp_path: Path, monkeypatch, out: str) -> None:
    monkeypatch.chdir(folders[1])
    first, second = (run(masks=Path("."), out=Path(os.path.relpath(tmp_path / out))) for _ in range(2))
    assert not first.errors
    assert not scored_anew(second)
    assert scores(second) == scores(first)
    assert len(second.rows) == 3
    assert second.summary["images_without_prediction"] == 0


def test_a_prediction_beside_the_outputs_is_still_one(run, folders, tmp_path: Path) -> None:
    out = folders[1] / "audit"
    run(out=out)
    np.save(out / "more.npy", np.zeros((66, 88), np.uint8))
    assert [row["id"] for row in run(out=out).errors] == ["audit/more"]


def test_a_second_audit_into_the_folder_is_refused_while_the_first_writes(run, tmp_path: Path) -> None:
    run()
    before = snapshot(tmp_path / "out")
    holder = (
        "import sys, time; from pathlib import Path; from segqc.auditing.folder import claimed\n"
        "from segqc.base.devices import make_accelerator\n"
        "with claimed(Path(sys.argv[1]), make_accelerator('cpu')):\n    print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", holder, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match="out: another audit is writing here"):
            run()
        assert snapshot(tmp_path / "out") == before
    finally:
        process.kill()
        process.wait()
    assert not scored_anew(run())


def test_everything_that_an_audit_writes_has_its_name_on_the_list(run) -> None:
    out = run().out
    assert {path.name for path in out.iterdir()} - {".progress"} <= set(WRITTEN)
    assert "score_quantiles" in json.loads((out / "summary.json").read_text()), "by which a finished audit is known"
