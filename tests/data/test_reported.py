# ruff: noqa: E501 - a table: one case a line
"""Inputs after public reports, and public examples of every layout, by the command line: what is read, what is refused, and what the screen says.

Each case is a row of the table in docs/data.md, which this test compares with what happens.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import segqc
from conftest import SHARED_DATA

from segqc.base.files import read_json
from segqc.results.table import read_audit_table

REPORTED = SHARED_DATA / "formats" / "reported"
TABLE = Path(__file__).resolve().parents[2] / "docs" / "data.md"


@dataclass(frozen=True)
class Case:
    """A folder, what it holds, the options of `segqc inspect`, its exit code, and what it must print."""

    folder: str
    holds: str
    options: str
    code: int
    says: str


CASES = [
    Case("01_binary_0_255", "grey masks of 0 and 255, one class", "--images images --masks masks --classes background,lesion", 0, "masks hold 0 and 255: 255 is read as lesion"),
    Case("01_binary_0_255", "the same with names of three classes", "--images images --masks masks --classes background,pit,bar", 2, "masks hold only 0 and 255, but there are 3 classes"),
    Case("02_rgb_black_white", "RGB masks, black and white", "--images images --masks masks --classes background,lesion", 0, "masks hold 0 and 255: 255 is read as lesion"),
    Case("03_cvat_segmentation_mask", "CVAT's Segmentation mask 1.1 with labelmap.txt", "--data .", 0, "#b07020 pit"),
    Case("04_cityscapes", "Cityscapes, five files a picture", "--data .", 0, "layout: cityscapes"),
    Case("04_cityscapes", "the same as two folders", "--images leftImg8bit/train --masks gtFine/train --classes cityscapes-trainids", 0, "2 pairs of picture and mask"),
    Case("05_suffix_mask", "x.jpg and x_mask.png", "--images imgs --masks masks --classes background,car", 0, "4 pairs of picture and mask"),
    Case("05_suffix_mask", "x.jpg and x_mask.gif", "--images imgs --masks masks_gif --classes background,car", 0, "4 pairs of picture and mask"),
    Case("06_nnunet", "nnU-Net with pictures, x_0000.png and x.png", "--data .", 0, "layout: nnunet"),
    Case("07_npy_labelme", "int32 NPY with -1", "--images JPEGImages --masks SegmentationClassNpy --classes class_names.txt", 0, "-1 in masks is read as void"),
    Case("07_npy_labelme", "NPY [1, H, W]", "--images JPEGImages --masks chw --classes class_names.txt", 0, "Nothing suspicious"),
    Case("07_npy_labelme", "float32 NPY of whole numbers", "--images JPEGImages --masks float --classes class_names.txt", 0, "Nothing suspicious"),
    Case("07_npy_labelme", "LabelMe JSON", "--data labelme", 0, "layout: labelme"),
    Case("08_label_studio_brush", "Label Studio's brush PNGs without the project's export", "--data .", 2, "put the project's JSON export into the folder"),
    Case("09_ade_0_is_other", "ADE20K: 0 is other, void 0 in the JSON", "--images images --masks annotations --classes ade.json", 0, "background: none; void: 0"),
    Case("10_tif_bmp_webp", "pictures and masks as TIFF", "--images tif --masks masks_tif --classes background,pit,bar", 0, "1 pair of picture and mask"),
    Case("10_tif_bmp_webp", "pictures as WebP, a mask named .PNG", "--images webp --masks masks_png --classes background,pit,bar", 0, "1 pair of picture and mask"),
    Case("12_sizes", "masks one row short", "--images images --masks masks_off1 --classes background,pit,bar", 0, "2 masks are a few pixels larger or smaller than their picture"),
    Case("13_exif/o3", "EXIF orientation 3, upright masks", "--images images --masks masks --classes background,pit,bar", 2, "give --exif stored"),
    Case("13_exif/o3", "the same, settled", "--images images --masks masks --classes background,pit,bar --exif upright", 0, "3 have an EXIF orientation"),
    Case("13_exif/o6rect", "EXIF orientation 6, upright masks", "--images images --masks masks --classes background,pit,bar", 0, "turned by 90 degrees against their picture"),
    Case("14_xray_12bit_in_16", "12-bit pictures in 16 bits", "--images images12 --masks masks --classes background,pit,bar", 0, "--intensity 1216,2400 is used"),
    Case("16_palette_reordered", "VOC's colours at other indices", "--images images --predictions pred --classes voc", 2, "give --mask-values colour"),
    Case("17_first_class_is_road", "no background class", "--images images --masks masks --classes classes.txt", 0, "background: road"),
    Case("17_first_class_is_road", "the same, settled", "--images images --masks masks --classes classes.txt --background none", 0, "background: none"),
    Case("19_isic_one_folder", "x.jpg and x_segmentation.png in one folder", "--images all --masks all --classes background,lesion", 0, "255 is read as lesion"),
    Case("20_90_megapixels", "90 megapixels", "--images images --predictions pred --classes background,pit", 2, "--max-pixels"),
    Case("21_460_classes", "460 names of classes", "--images images --masks masks --classes classes460.json", 2, "merge classes by ids"),
    Case("22_all_empty", "no foreground at all", "--images images --masks masks --classes background,lesion", 0, "no mask holds any foreground"),
    Case("../cityscapes_dataset/train_dataset", "Cityscapes with train ids", "--data .", 0, "part train of test, train, val; masks *_gtFine_labelTrainIds.png"),
    Case("../cityscapes_dataset/dataset", "Cityscapes with instance ids alone", "--data .", 0, "only instance ids are there"),
    Case("../camvid_dataset", "CamVid, masks of colours", "--data .", 0, "layout: camvid part train of test, train, val"),
    Case("../camvid_dataset", "CamVid, a part with colours of its 32 classes", "--data . --split val", 2, "masks hold colours that are no class"),
    Case("../ade20k2017_dataset/dataset", "ADE20K of 2017, objects and their parts", "--data .", 0, "annotations passed over: 1 parts of objects"),
    Case("../ade20k2017_dataset/dataset_with_meta_file", "the same with a file of names", "--data .", 0, "layout: ade20k masks drawn: 1"),
    Case("../coco_dataset/coco_instances", "COCO of boxes alone", "--data .", 0, "no annotation has a segmentation: every mask is empty"),
    Case("../coco_dataset/coco_instances", "COCO, another part", "--data . --split val", 0, "instances_val of instances_train, instances_val"),
    Case("../coco_dataset/coco_stuff", "COCO stuff", "--data .", 0, "layout: coco stuff_train of stuff_train, stuff_val masks drawn: 1"),
    Case("../coco_dataset/coco_panoptic", "COCO panoptic, its PNG smaller than its picture", "--data .", 2, "holds a region of 5x5 pixels for a, which is 10x5"),
    Case("../common_semantic_segmentation_dataset/dataset", "images/ and masks/ of colours, dataset_meta.json", "--data .", 0, "2 pictures, 2 masks, 2 pairs of picture and mask"),
    Case("../common_semantic_segmentation_dataset/non_standard_dataset", "the same, image_a.jpg and gt_a.png", "--data .", 0, "2 pictures, 2 masks, 2 pairs of picture and mask"),
    Case("../cvat_dataset/for_images/export_task", "CVAT for images 1.1", "--data .", 0, "annotations passed over: 1 polyline"),
    Case("../labelme_dataset", "LabelMe of the web, XML and mask PNGs", "--data .", 0, "70 pixels lie under a later annotation of another class, which wins"),
    Case("../mvtec_dataset", "MVTec AD, one category", "--data .", 0, "has no mask (a good picture, in MVTec's layout)"),
    Case("../voc_dataset/voc_dataset1", "Pascal VOC, masks of colours", "--data .", 0, "#008000 bicycle"),
    Case("../voc_dataset/voc_dataset2", "Pascal VOC without pictures and masks", "--data .", 2, "has no known layout"),
    Case("../nnunet", "nnU-Net with volumes", "--data .", 0, "layout: nnunet"),
]  # fmt: skip


@pytest.fixture
def reported(shared_data: Path) -> Path:
    """The rendered inputs."""
    if not REPORTED.is_dir():
        pytest.skip("the rendered inputs are not beside this checkout")
    return REPORTED


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.folder} {case.holds}")
def test_inspect(reported, tmp_path, monkeypatch, case):
    if "coco" in case.folder:
        pytest.importorskip("pycocotools")
    if case.folder == "../nnunet":
        pytest.importorskip("nibabel")
    monkeypatch.chdir(reported / case.folder)
    monkeypatch.setenv("COLUMNS", "200")
    done = segqc("inspect", *case.options.split(), "--work", tmp_path)
    said = " ".join((done.stdout + done.stderr).split())
    assert case.says in said
    assert done.returncode == case.code


def test_the_documentation_lists_every_case():
    """One row a case, as it is tested here."""
    lines = ["| input | `segqc inspect` | what it says | exit code |", "|---|---|---|---|"]
    lines += [f"| {case.holds} | `{case.options}` | {case.says} | {case.code} |" for case in CASES]
    assert "\n".join(lines) in TABLE.read_text(encoding="utf-8")


SHORT = [
    "--preset", "fast", "--steps", "2", "--method", "segmenter", "--views", "1", "--image-size", "64",
    "--grid-size", "16", "--device", "cpu",
]  # fmt: skip


def test_binary_masks_train_and_are_audited(reported, tmp_path, monkeypatch):
    """The commonest masks there are: a model is trained on lesions, and predictions of 0 and 255 are judged by it."""
    monkeypatch.chdir(reported / "01_binary_0_255")
    data = ["--images", "images", "--masks", "masks", "--classes", "background,lesion"]
    done = segqc("train", *data, *SHORT, "--out", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert "255 is read as lesion" in done.stdout
    config = read_json(tmp_path / "model" / "config.json")
    assert config["labels"]["ids"] == {"0": 0, "255": 1}
    trained = config["training"]["train_pairs"]
    assert config["training"]["class_pictures"] == [trained, trained]
    audit = ["audit", "--model", tmp_path / "model", "--predictions", "masks", "--images", "images", "--device", "cpu"]
    done = segqc(*audit, "--ground-truth", "masks", "--out", tmp_path / "audit")
    assert done.returncode == 0, done.stderr
    rows = read_audit_table(tmp_path / "audit").rows
    assert {row["classes"] for row in rows} == {"lesion"}
    assert {row["dice"] for row in rows} == {1.0}
    for command in ("gallery", "export"):
        out = [] if command == "gallery" else ["--to", "csv", "--out", tmp_path / "queue"]
        assert segqc(command, "--audit", tmp_path / "audit", *out).returncode == 0


def test_predictions_of_another_size_are_brought_to_it_or_refused(reported, tmp_path, monkeypatch):
    monkeypatch.chdir(reported / "12_sizes")
    shutil.copytree("masks_off1", tmp_path / "masks")
    data = ["--images", "images", "--masks", "pred_256", "--classes", "background,pit,bar"]
    refused = segqc("train", *data, *SHORT, "--out", tmp_path / "none")
    assert refused.returncode == 2
    assert "is 256x256 pixels but its image is 128x96" in refused.stderr
    done = segqc(
        "audit", "--predictions", "pred_256", "--images", "images", "--model", "voc-fast", "--out", tmp_path / "audit"
    )
    assert done.returncode == 0, done.stderr
    assert "4 masks have another size than their picture" in done.stdout
    assert all("brought to 128x96" in row["reason"] for row in read_audit_table(tmp_path / "audit").rows)
    strict = segqc(
        "audit", "--predictions", "pred_256", "--images", "images", "--model", "voc-fast", "--out", tmp_path / "strict",
        "--strict-size",
    )  # fmt: skip
    assert strict.returncode == 2
    assert "nothing could be scored; 4 of 4" in strict.stderr
    assert (tmp_path / "strict" / "scores.csv").is_file()
    assert not (tmp_path / "strict" / "gallery.html").exists()


def test_predict_counts_every_format(reported, tmp_path, monkeypatch):
    import torch
    import torchvision

    monkeypatch.chdir(reported / "30_predict_mixed_folder")
    network = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3
    )
    torch.save(network.state_dict(), tmp_path / "plain.pth")
    done = segqc(
        "predict", "--images", "images", "--model", "lraspp_mobilenet_v3_large", "--weights", tmp_path / "plain.pth",
        "--out", tmp_path / "masks", "--resize", "32",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "6 masks written" in done.stdout
    assert "passed over" not in done.stdout
    shutil.copytree("images", tmp_path / "images")
    for name in ("notes.txt", "x.heic", "y.heic", ".hidden"):
        (tmp_path / "images" / name).write_bytes(b"none")
    done = segqc(
        "predict", "--images", tmp_path / "images", "--model", "lraspp_mobilenet_v3_large", "--weights",
        tmp_path / "plain.pth", "--out", tmp_path / "masks", "--resize", "32",
    )  # fmt: skip
    assert f"files passed over in {tmp_path / 'images'}: 3 (2 .heic, 1 .txt)" in done.stdout.replace("\n", " ")
