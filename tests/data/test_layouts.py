"""Data sets in the layouts that people have: rendered here, and the public examples where they are at hand."""

import json

import numpy as np
import pytest
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.inspection.survey import survey_pairs
from segqc.data.inspection.suspicions import settle
from segqc.data.label_lists import ADE20K_NAMES
from segqc.data.layouts import find_dataset
from segqc.data.masks import read_mask


def picture(path, size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 30)).save(path)


def mask(path, values=(0, 1), size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.full(size[::-1], values[0], np.uint8)
    for place, value in enumerate(values[1:]):
        array[2:6, 2 + 4 * place : 5 + 4 * place] = value
    Image.fromarray(array).save(path)


def test_cityscapes_takes_train_ids_and_names_the_part(tmp_path):
    for city in ("aa", "bb"):
        picture(tmp_path / f"leftImg8bit/train/{city}/{city}_01_leftImg8bit.png")
        for kind, values in (("labelIds", (7, 24)), ("labelTrainIds", (0, 11)), ("instanceIds", (7, 24000))):
            mask(tmp_path / f"gtFine/train/{city}/{city}_01_gtFine_{kind}.png", tuple(v % 256 for v in values))
    found = find_dataset(tmp_path)
    assert (found.layout, len(found.pairs), found.problems) == ("cityscapes", 2, ())
    assert found.labels.names[11] == "person"
    assert settle(survey_pairs(found.pairs), found.labels).grave == ()
    with pytest.raises(BadInput, match="choose --split from train"):
        find_dataset(tmp_path, "val")


def test_camvid_ade_and_plain_folders(tmp_path):
    picture(tmp_path / "camvid/train/a.png")
    mask(tmp_path / "camvid/trainannot/a.png", (3, 8, 11))
    picture(tmp_path / "ade/images/training/x.jpg")
    mask(tmp_path / "ade/annotations/training/x.png", (0, 1, 150))
    picture(tmp_path / "plain/val/imgs/x.jpg")
    mask(tmp_path / "plain/val/masks/x_mask.png", (0, 1))
    for name in ("camvid", "ade", "plain"):
        assert len(find_dataset(tmp_path / name).pairs) == 1, name
    ade = find_dataset(tmp_path / "ade")
    assert sorted(np.unique(read_mask(ade.pairs[0].mask, ade.labels))) == [0, 149, 255]
    assert len(ADE20K_NAMES) == len(set(ADE20K_NAMES)) == 150


def test_one_folder_with_both(tmp_path):
    for name in ("a", "b", "c"):
        picture(tmp_path / f"{name}.jpg")
        mask(tmp_path / f"{name}_segmentation.png", (0, 255))
    found = find_dataset(tmp_path)
    assert [pair.id for pair in found.pairs] == ["a", "b", "c"]


def test_coco_polygons_runs_and_overlaps(tmp_path):
    pytest.importorskip("pycocotools")
    picture(tmp_path / "images/train/a.jpg")
    square = [[2, 2, 8, 2, 8, 8, 2, 8]]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "segmentation": square, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 9, "segmentation": {"size": [10, 20], "counts": [60, 10, 130]}},
            {"id": 3, "image_id": 1, "category_id": 9, "segmentation": [], "bbox": [0, 0, 3, 3]},
        ],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_train.json").write_text(json.dumps(content))
    found = find_dataset(tmp_path, work=tmp_path / "work")
    drawn = read_mask(found.pairs[0].mask, found.labels)
    assert found.labels.names == ("background", "cat", "dog")
    assert (drawn[:, 6] == 2).all()  # the column of the runs lies above the square
    assert (drawn[3:8, 3:6] == 1).all()
    assert "6 pixels lie under a later annotation" in found.said[0]
    assert "boxes without a segmentation" in found.said[1]
    with pytest.raises(BadInput, match="--out"):
        find_dataset(tmp_path)


def test_labelme_cvat_and_yolo(tmp_path):
    shape = {"label": "pit", "points": [[2, 2], [9, 2], [9, 8], [2, 8]], "shape_type": "polygon"}
    circle = {"label": "dot", "points": [[15, 5], [17, 5]], "shape_type": "circle"}
    line = {"label": "pit", "points": [[2, 2], [9, 2]], "shape_type": "line"}
    picture(tmp_path / "labelme/p.jpg")
    (tmp_path / "labelme/p.json").write_text(
        json.dumps({"shapes": [shape, circle, line], "imagePath": "p.jpg", "imageWidth": 20, "imageHeight": 10})
    )
    picture(tmp_path / "cvat/images/p.jpg")
    (tmp_path / "cvat/annotations.xml").write_text(
        "<annotations><meta><task><labels><label><name>pit</name></label><label><name>dot</name></label></labels></task>"
        '</meta><image id="0" name="p.jpg" width="20" height="10"><polygon label="pit" points="2,2;9,2;9,8;2,8"'
        ' z_order="0"/><mask label="dot" rle="2,2,4" left="14" top="4" width="4" height="2" z_order="1"/></image>'
        "</annotations>"
    )
    picture(tmp_path / "yolo/images/train/p.jpg")
    (tmp_path / "yolo/labels/train").mkdir(parents=True)
    (tmp_path / "yolo/labels/train/p.txt").write_text(
        "0 0.1 0.2 0.45 0.2 0.45 0.8 0.1 0.8\n1 0.7 0.4 0.9 0.4 0.9 0.6\n"
    )
    (tmp_path / "yolo/data.yaml").write_text("train: images/train\nnames:\n  0: pit\n  1: dot\n")
    for name in ("labelme", "cvat", "yolo"):
        found = find_dataset(tmp_path / name, work=tmp_path / "work" / name)
        drawn = read_mask(found.pairs[0].mask, found.labels)
        pit, dot = (found.labels.names.index(label) for label in ("pit", "dot"))
        assert found.layout == name
        assert drawn[5, 5] == pit, name
        assert drawn[4, 16] == dot, name
        assert drawn[0, 0] == 0


def test_label_studio_brush_masks_need_the_export(tmp_path):
    picture(tmp_path / "images/photo 00.jpg")
    mask(tmp_path / "png/task-7-annotation-40-by-1-tag-pit-0.png", (0, 255))
    mask(tmp_path / "png/task-7-annotation-40-by-1-tag-bar-0.png", (0, 0, 255))
    with pytest.raises(BadInput, match="JSON export"):
        find_dataset(tmp_path, work=tmp_path / "work")
    (tmp_path / "project.json").write_text(json.dumps([{"id": 7, "data": {"image": "/data/upload/1/photo%2000.jpg"}}]))
    found = find_dataset(tmp_path, work=tmp_path / "work")
    drawn = read_mask(found.pairs[0].mask, found.labels)
    assert (found.layout, found.labels.names) == ("labelstudio", ("background", "bar", "pit"))
    assert sorted(np.unique(drawn)) == [0, 1, 2]


def test_mvtec_and_nnunet(tmp_path):
    picture(tmp_path / "mvtec/bottle/test/broken/000.png")
    picture(tmp_path / "mvtec/bottle/test/good/000.png")
    mask(tmp_path / "mvtec/bottle/ground_truth/broken/000_mask.png", (0, 255))
    found = find_dataset(tmp_path / "mvtec")
    assert [pair.id for pair in found.pairs] == ["bottle/broken/000"]
    assert settle(survey_pairs(found.pairs), found.labels).said
    picture(tmp_path / "nnunet/imagesTr/case_1_0000.png")
    mask(tmp_path / "nnunet/labelsTr/case_1.png", (0, 1))
    (tmp_path / "nnunet/dataset.json").write_text('{"labels": {"background": 0, "pit": 1, "ignore": 2}}')
    found = find_dataset(tmp_path / "nnunet")
    assert (found.labels.names, found.labels.void, len(found.pairs)) == (("background", "pit"), 2, 1)


def test_what_has_no_layout_is_refused_with_the_options_that_help(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(BadInput, match="--images and --masks"):
        find_dataset(tmp_path)
    with pytest.raises(BadInput, match="does not exist"):
        find_dataset(tmp_path / "absent")
    with pytest.raises(BadInput, match="is no layout"):
        find_dataset(tmp_path, layout="kitti")
    with pytest.raises(BadInput, match="has not the layout voc"):
        find_dataset(tmp_path, layout="voc")


PUBLIC = {
    "cityscapes_dataset/train_dataset": ("cityscapes", 1),
    "camvid_dataset": ("camvid", 1),
    "ade20k2017_dataset/dataset": ("ade20k", 1),
    "coco_dataset/coco_instances": ("coco", 1),
    "coco_dataset/coco_stuff": ("coco", 1),
    "common_semantic_segmentation_dataset/dataset": ("folders", 2),
    "common_semantic_segmentation_dataset/non_standard_dataset": ("folders", 2),
    "cvat_dataset/for_images/export_task": ("cvat", 2),
    "labelme_dataset": ("labelme", 1),
    "mvtec_dataset": ("mvtec", 2),
    "voc_dataset/voc_dataset1": ("voc", 1),
    "nnunet": ("nnunet", 30),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_examples(shared_data, tmp_path, name):
    if name.startswith("coco"):
        pytest.importorskip("pycocotools")
    if name == "nnunet":
        pytest.importorskip("nibabel")
    found = find_dataset(shared_data / "formats" / name, work=tmp_path)
    assert (found.layout, len(found.pairs)) == PUBLIC[name]
    assert not any(facts.error for facts in survey_pairs(found.pairs).masks.values())
