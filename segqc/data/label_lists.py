"""Label spaces of public data sets, by the values in their files."""

from segqc.data.labels import VOC_LABELS, VOID, LabelSpace, palette_of

_CITYSCAPES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
_NAMES = tuple(_CITYSCAPES.values())
_OTHER = {value: VOID for value in (*range(7), 9, 10, 14, 15, 16, 18, 29, 30, -1)}

_CITYSCAPES_COLOURS = palette_of(
    [
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
        (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
        (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ], (0, 0, 0)
)  # fmt: skip
CITYSCAPES = LabelSpace(
    _NAMES, 255, None, _CITYSCAPES_COLOURS, {value: place for place, value in enumerate(_CITYSCAPES)} | _OTHER
)
"""Cityscapes' 19 evaluated classes in files of label ids (`_gtFine_labelIds`); all others are void."""

CITYSCAPES_TRAIN_IDS = LabelSpace(
    _NAMES, 255, None, _CITYSCAPES_COLOURS, {place: place for place in range(len(_NAMES))} | {19: VOID, -1: VOID}
)
"""The same in files of train ids (`_gtFine_labelTrainIds`), of which some copies use 19 for all other classes."""

_CAMVID = {
    "Sky": (128, 128, 128), "Building": (128, 0, 0), "Pole": (192, 192, 128), "Road": (128, 64, 128),
    "Pavement": (0, 0, 192), "Tree": (128, 128, 0), "SignSymbol": (192, 128, 128), "Fence": (64, 64, 128),
    "Car": (64, 0, 128), "Pedestrian": (64, 64, 0), "Bicyclist": (0, 128, 192),
}  # fmt: skip
CAMVID = LabelSpace(tuple(_CAMVID), 11, None, palette_of(list(_CAMVID.values()), (0, 0, 0), void=11))
"""CamVid's eleven classes as SegNet's copies number them; 11 is void."""

ADE20K_NAMES = tuple(
    """wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door,
    table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair,
    seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, chest of drawers,
    counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool table,
    pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench,
    countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel,
    light, truck, tower, chandelier, awning, streetlight, booth, television receiver, airplane, dirt track, apparel,
    pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain, conveyer belt,
    canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball,
    food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood,
    sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator,
    glass, clock, flag""".replace("\n    ", " ").split(", ")
)
ADE20K = LabelSpace(ADE20K_NAMES, 0, None, ids={place + 1: place for place in range(len(ADE20K_NAMES))})
"""ADE20K's 150 classes of the scene parsing benchmark: 1 to 150 in files, 0 is "other"."""

LABEL_LISTS = {
    "voc": VOC_LABELS,
    "cityscapes": CITYSCAPES,
    "cityscapes-trainids": CITYSCAPES_TRAIN_IDS,
    "camvid": CAMVID,
    "ade20k": ADE20K,
}
"""What `--classes NAME` may be."""
