"""Rules that find what is suspicious about a data set's files and classes."""

from collections.abc import Callable

from segqc.data.inspection.facts import MaskFacts
from segqc.data.inspection.survey import Survey
from segqc.data.inspection.suspicion import FEW_FILES, MaskRole, Suspicion
from segqc.data.inspection.values import first_with
from segqc.data.labels import VOID, LabelSpace
from segqc.data.masks import rgb_key


def _unreadable(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    broken = [id_ for id_, facts in survey.masks.items() if facts.error]
    if not broken:
        return None
    first = survey.masks[broken[0]].error
    text = f"{len(broken)} of {len(survey.masks)} masks cannot be read: {first}"
    return Suspicion("unreadable masks", False, text, example=survey.paths.get(broken[0], broken[0]))


def _foreign_colours(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """Colours that belong to no class in more than a few files."""
    known = set(rgb_key(labels.palette[list(labels.colour_indices.values())]).tolist())
    foreign = {id_: set(facts.pixels) - known for id_, facts in survey.with_colours.items()}
    holders = [id_ for id_, colours in foreign.items() if colours]
    if not holders:
        return None
    colours = sorted(set().union(*foreign.values()))
    many = max(survey.with_colours[id_].distinct for id_ in holders) > 64
    shown = ", ".join(f"#{colour:06x}" for colour in colours[:6]) + (", ..." if len(colours) > 6 else "")
    text = f"{len(holders)} of {len(survey.masks)} masks hold colours that are no class: {shown}"
    fix = (
        "give each class's colour under palette in a classes JSON "
        f"(or the data set's labelmap.txt to {role.classes_option})"
    )
    if many:
        text, fix = f"{text} ({len(colours)} in all, as after JPEG or smooth resizing)", "export the masks again as PNG"
    elif {_blue_first(colour) for holder in holders for colour in survey.with_colours[holder].pixels} <= known:
        text += "; with red and blue swapped they are the classes' colours"
        fix = "write the masks as RGB (OpenCV writes and reads BGR)"
    elif len(channels := {channel for channel in range(3) if any(c >> 8 * (2 - channel) & 255 for c in colours)}) == 1:
        name = ("red", "green", "blue")[channels.pop()]
        text += f"; all lie in the {name} channel"
        fix = f"if that channel holds the class indices, save it alone as a grey PNG; else {fix}"
    grave = len(holders) > FEW_FILES * len(survey.readable)
    return Suspicion("colours of no class", grave, text, fix, survey.paths.get(holders[0], holders[0]))


def _blue_first(colour: int) -> int:
    """0xRRGGBB with red and blue swapped."""
    return (colour & 0xFF) << 16 | colour & 0xFF00 | colour >> 16


def _other_palette(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """A file's colour table holds the classes' colours at other indices: indices and colours say different classes."""
    colours = {int(rgb_key(labels.palette[place])): index for index, place in labels.colour_indices.items()}
    classes = labels.value_classes
    contradicting = []
    for id_, facts in survey.with_values.items():
        used = {value: colours.get(colour) for value, colour in facts.palette.items()}
        if len(used) > 1 and None not in used.values() and any(classes.get(v) != c for v, c in used.items()):
            contradicting.append(id_)
    if len(contradicting) <= FEW_FILES * len(survey.readable):
        return None
    facts = survey.masks[contradicting[0]]
    value, colour = next((v, c) for v, c in facts.palette.items() if classes.get(v) != colours[c])
    index, seen = classes.get(value), labels.name(colours[colour])
    text = (
        f"{len(contradicting)} of {len(survey.masks)} masks have a colour table that contradicts their numbers: "
        f"{value} is {'no class' if index is None else labels.name(index)} by its number, {seen} by its colour"
    )
    fix = "give --mask-values colour to read the colours, or --mask-values index to read the numbers"
    return Suspicion("palette reordered", True, text, fix, survey.paths.get(contradicting[0], ""))


def _labels_in_alpha(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """Nothing in the colours, something in the alpha channel."""
    hidden = [id_ for id_, facts in survey.readable.items() if facts.hidden > 1 and len(facts.pixels) == 1]
    if len(hidden) <= FEW_FILES * len(survey.readable):
        return None
    text = f"{len(hidden)} of {len(survey.masks)} masks hold one colour throughout and labels in their alpha channel"
    return Suspicion(
        "labels in alpha", True, text, "save the alpha channel as a grey PNG", survey.paths.get(hidden[0], "")
    )


def _one_class(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """All masks empty, all pixels of one class, or of background and one class of many."""
    classes = class_masks(survey, labels)
    if role.predictions and len(survey.readable) >= 3 and len(classes) == 2 and labels.background in classes:
        (index,) = classes.keys() - {labels.background}
        text = f"of {labels.num_classes} classes, the masks hold {labels.name(index)} alone beside the background"
        if index == min(labels.foreground) and len(labels.foreground) > 1:
            fix = "use a model of one class if they are binary masks"
            return Suspicion("one class of many", False, text, fix)
    if len(survey.readable) < 3 or len(classes) != 1:
        return None
    (index,) = classes
    name = labels.name(index)
    if index == labels.background:
        return Suspicion("all masks empty", False, f"no mask holds any foreground: all pixels are {name} or void")
    return Suspicion(
        "all one class",
        False,
        f"all pixels of all masks are {name} or void",
        f"check {role.classes_option} and --background",
    )


def class_masks(survey: Survey, labels: LabelSpace) -> dict[int, int]:
    """In how many masks each class occurs."""
    colours = {int(rgb_key(labels.palette[place])): index for index, place in labels.colour_indices.items()}
    counts: dict[int, int] = {}
    for facts in survey.readable.values():
        meaning = colours if facts.coloured else labels.value_classes
        for index in {meaning[value] for value in facts.pixels if value in meaning} - {VOID}:
            counts[index] = counts.get(index, 0) + 1
    return counts


def _classes_without_mask(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    seen = class_masks(survey, labels)
    absent = [labels.name(index) for index in labels.foreground if index not in seen]
    if role.predictions or not absent or len(seen) < 2:
        return None
    shown = ", ".join(absent[:8]) + (", ..." if len(absent) > 8 else "")
    return Suspicion("class without pictures", False, f"{len(absent)} classes are in no mask: {shown}")


def _void_in_predictions(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """A network predicts a class everywhere; what is void in its masks may be a class read wrongly."""
    void = [value for value, index in labels.value_classes.items() if index == VOID and value in survey.values]
    if not role.predictions or not void:
        return None
    share = sum(survey.value_pixels[value] for value in void) / max(1, sum(survey.value_pixels.values()))
    if share < 0.01:
        return None
    grave = (
        labels.ids is not None and 0 in void
    )  # 0 is void in the truth's files; in predictions it may be the first class
    listed = ", ".join(map(str, void))
    text = f"{share:.0%} of the predicted pixels are {listed}, which means void"
    fix = f"if {listed} is a class in the predictions, say so with {role.classes_option}"
    return Suspicion("void in predictions", grave, text, fix, first_with(survey, void[0]))


def _background_like_none(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """The first name was taken for the background, but the class covers little and is hardly ever at the frame."""
    if role.predictions or labels.background is None or len(survey.readable) < 3:
        return None
    values = [value for value, index in labels.value_classes.items() if index == labels.background]
    masks = list(survey.with_values.values())
    pixels = sum(survey.value_pixels.values())
    covered = sum(survey.value_pixels[value] for value in values)
    framed = sum(any(value in facts.frame for value in values) for facts in masks)
    if not masks or (covered > 0.05 * pixels and framed > 0.2 * len(masks)):
        return None
    name = labels.names[labels.background]
    share = covered / max(1, pixels)
    text = (
        f"{name} is taken for the background, but covers {share:.1%} "
        f"and is at the frame of {framed} of {len(masks)} masks"
    )
    return Suspicion("background that looks like none", False, text, "give --background none, or --background NAME")


def _turned(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """Pictures that are displayed turned while their size does not tell which way the masks lie."""
    turned = [
        id_
        for id_, facts in survey.pictures.items()
        if facts.orientation != 1 and (facts.orientation < 5 or facts.width == facts.height)
    ]
    if not turned:
        return None
    text = (
        f"{len(turned)} of {len(survey.pictures)} pictures have an EXIF orientation that leaves their size as it is: "
        "whether their masks follow the stored or the displayed picture cannot be seen"
    )
    fix = (
        "give --exif stored if masks follow the stored pixels (Pillow), "
        "--exif upright if they follow the display (OpenCV)"
    )
    return Suspicion("turned pictures", True, text, fix, turned[0])


def _sizes(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """Masks of another size than their picture, by kind."""
    kinds: dict[str, list[str]] = {}
    for id_, mask in survey.readable.items():
        picture = survey.pictures.get(id_)
        if picture is None or picture.error or (mask.width, mask.height) == (picture.width, picture.height):
            continue
        kinds.setdefault(_difference(mask, (picture.width, picture.height)), []).append(id_)
    if not kinds:
        return None
    text = "; ".join(f"{len(ids)} masks are {kind}" for kind, ids in kinds.items())
    example = next(iter(kinds.values()))[0]
    left_out = "resize or rotate the masks as their pictures are stored; until then these pairs are left out"
    fix = "" if role.predictions else left_out
    return Suspicion("sizes differ", False, text, fix, survey.paths.get(example, example))


def _difference(mask: MaskFacts, size: tuple[int, int]) -> str:
    width, height = size
    if (mask.width, mask.height) == (height, width):
        return "turned by 90 degrees against their picture"
    if max(abs(mask.width - width), abs(mask.height - height)) <= 8:
        return "a few pixels larger or smaller than their picture"
    if abs(mask.width / width - mask.height / height) < 0.02:
        return "their picture's size times a factor"
    return "of another size and shape than their picture"


def _little_used_range(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """Pictures of 16 bits or floats that use a small part of them, such as 12-bit X-rays: scaled from 0..65535 they are
    black.
    """
    deep = [facts for facts in survey.pictures.values() if facts.high is not None]
    if not deep:
        return None
    low, high = min(facts.low or 0.0 for facts in deep), max(facts.high or 0.0 for facts in deep)
    if high > 32767 and low < 16384:
        return None
    text = f"pictures of more than 8 bits hold values from {low:g} to {high:g} only"
    return Suspicion(
        "little of the range is used", False, text, f"--intensity {low:g},{high:g} is used unless you give another"
    )


def _pages(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """Files of several pages, of which only the first is read."""
    several = [id_ for id_, facts in survey.pictures.items() if facts.pages > 1]
    if not several:
        return None
    text = f"{len(several)} of {len(survey.pictures)} pictures have several pages, of which the first is read"
    return Suspicion("several pages", False, text, "give --bands if the pages are bands", several[0])


Rule = Callable[[Survey, LabelSpace, MaskRole], Suspicion | None]


OF_FILES: tuple[Rule, ...] = (_unreadable, _labels_in_alpha, _turned, _sizes, _little_used_range, _pages)


OF_CLASSES: tuple[Rule, ...] = (
    _foreign_colours,
    _other_palette,
    _one_class,
    _classes_without_mask,
    _void_in_predictions,
    _background_like_none,
)
