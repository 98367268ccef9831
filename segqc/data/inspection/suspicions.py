"""What about a data set is suspicious, and how its mask values are to be read.

The rules judge a data set as a whole, never a single file. `settle` refuses only where two readings of the masks are
possible and would give other labels; it then names both ways out. Everything else is a warning.
"""

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segqc.base.errors import BadInput
from segqc.data.inspection.facts import MaskFacts
from segqc.data.inspection.survey import Survey
from segqc.data.labels import VOID, LabelSpace
from segqc.data.masks import rgb_key

_FEW_FILES = 0.2  # share of files below which a fault is theirs and not the data set's


@dataclass(frozen=True)
class Suspicion:
    """Something that the user should know before the data is used.

    Attributes
    ----------
    kind : str
        One name per kind ("binary 0/255"), for tests and tables.
    grave : bool
        Whether work must not go on: two readings are possible.
    text : str
        What was found.
    fix : str
        The option, or options, that settle it.
    example : Path or str
        A file that shows it; empty where all do.
    """

    kind: str
    grave: bool
    text: str
    fix: str = ""
    example: Path | str = ""

    def __str__(self) -> str:
        example = f"; for example {self.example}" if str(self.example) else ""
        return self.text + (f" ({self.fix})" if self.fix else "") + example


@dataclass(frozen=True)
class Settled:
    """How the masks of a data set are read.

    Attributes
    ----------
    labels : LabelSpace
        The label space, with `ids` where the files hold other numbers than class indices.
    said : tuple of str
        Decisions taken for the user, to be printed.
    suspicions : tuple of Suspicion
    """

    labels: LabelSpace
    said: tuple[str, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()

    @property
    def grave(self) -> tuple[Suspicion, ...]:
        """Suspicions that stop the work."""
        return tuple(suspicion for suspicion in self.suspicions if suspicion.grave)

    def refuse(self, where: Path | str) -> None:
        """Raise for the first grave suspicion.

        Raises
        ------
        BadInput
            There is one.
        """
        for suspicion in self.grave:
            example = f"; for example {suspicion.example}" if str(suspicion.example) else ""
            raise BadInput(where, suspicion.text + example, suspicion.fix)


def settle(survey: Survey, labels: LabelSpace, predictions: bool = False, known: Collection[str] = ()) -> Settled:
    """Decide how the masks of a survey are read, and collect what is suspicious about them and their pictures.

    Parameters
    ----------
    survey : Survey
    labels : LabelSpace
        What the user, or the model, says of the classes.
    predictions : bool
        Whether the masks are predictions, which have no reason to hold void, and come with no statistics of classes.
    known : collection of str
        Kinds of suspicion that the user has settled by an option.
    """
    read_as, said, grave = _settle_values(survey, labels)
    # Where the numbers have no one reading, rules about classes would only repeat it.
    rules = _OF_FILES if grave is not None else (*_OF_FILES, *_OF_CLASSES)
    found = [] if grave is None else [grave]
    found += [suspicion for rule in rules if (suspicion := rule(survey, read_as, predictions)) is not None]
    found = [suspicion for suspicion in found if suspicion.kind not in known]
    return Settled(read_as, tuple(said), tuple(found))


Read = tuple[LabelSpace, list[str], Suspicion | None]


def _settle_values(survey: Survey, labels: LabelSpace) -> Read:
    """The reading of the stored numbers, decisions to print, and a grave suspicion where there is no one reading."""
    values, known = survey.values, labels.value_classes
    if not values:
        return labels, [], None
    binary = _binary(survey, labels)
    if binary is not None:
        return binary
    if values <= set(known):
        return labels, [], None
    if -1 in values - set(known):  # LabelMe's and OpenMMLab's sign for pixels to be ignored
        further = {value: index for value, index in known.items() if index != VOID or value != labels.void}
        labels = dataclasses.replace(labels, ids=further | {-1: VOID})
        read_as, said, grave = _settle_values(survey, labels)
        return read_as, ["-1 in masks is read as void", *said], grave
    plain = dataclasses.replace(labels, ids=None, void=VOID)
    if labels.ids is not None and values <= set(plain.value_classes):
        return (
            plain,
            ["masks hold class indices, and are read so (the model was trained on files with other values)"],
            None,
        )
    for rule in (_lossy, _instances, _shifted, _unknown):
        suspicion = rule(survey, labels)
        if suspicion is not None:
            return labels, [], suspicion
    return labels, [], None


def _binary(survey: Survey, labels: LabelSpace) -> Read | None:
    """Masks of 0 and one other value: the commonest masks there are, and no class indices."""
    values = survey.values
    if len(values - {0}) != 1 or len(survey.with_values) * 2 < len(survey.readable):
        return None
    (value,) = values - {0}
    meaning = labels.value_classes.get(value)
    if value == 1 or (meaning not in (None, VOID)):
        return None
    if meaning == VOID and labels.void_stated and value != 255:
        return None
    if labels.num_classes > 2:
        if meaning == VOID and not _mostly(survey, value):
            return None
        text = f"masks hold only 0 and {value}, but there are {labels.num_classes} classes"
        fix = (
            'for masks of one class give --classes "background,NAME"; '
            f"else map {value} to its class by ids in a classes JSON"
        )
        return labels, [], Suspicion("binary masks, several classes", True, text, fix, _first(survey, value))
    foreground = labels.foreground[0] if labels.background is not None else 1
    name = labels.names[foreground]
    if meaning == VOID and labels.void_stated:
        text = f"masks hold only 0 and {value}, and {value} was stated to be void: then they hold no {name} at all"
        fix = (
            f'give "void": null in the classes JSON to read {value} as {name}, '
            'or "ids": {"0": 0} if it is void indeed'
        )
        return labels, [], Suspicion("binary masks, void stated", True, text, fix, _first(survey, value))
    ids = {0: 1 - foreground, value: foreground}
    read = dataclasses.replace(labels, ids=ids, void=None)
    return read, [f"masks hold 0 and {value}: {value} is read as {name}"], None


def _mostly(survey: Survey, value: int) -> bool:
    """Whether a value is in most masks: void alone beside background is in a few at most."""
    return survey.value_masks[value] * 2 > len(survey.with_values)


def _first(survey: Survey, value: int) -> Path | str:
    return survey.example(lambda facts: not facts.coloured and value in facts.pixels)


def _unknown_values(survey: Survey, labels: LabelSpace) -> tuple[set[int], list[str]]:
    """Values that are no class, and the ids of masks that hold them."""
    known = set(labels.value_classes)
    return survey.values - known, [id_ for id_, facts in survey.with_values.items() if set(facts.pixels) - known]


def _lossy(survey: Survey, labels: LabelSpace) -> Suspicion | None:
    """Many values near few: masks that went through JPEG, or were resized with interpolation."""
    known = np.array(sorted({*labels.value_classes, 0, 255}))
    blurred = []
    for id_, facts in survey.with_values.items():
        total = sum(facts.pixels.values())
        main = {value for value, count in facts.pixels.items() if count > 0.02 * total}
        strays = [value for value in facts.pixels if value not in main]
        near = sum(1 for value in strays if min(abs(value - peak) for peak in main) <= 12) if main else 0
        unknown = sum(1 for value in facts.pixels if value not in known)
        if len(strays) >= 8 and unknown >= 6 and near * 2 > len(strays) and len(main) <= 12:
            blurred.append(id_)
    if len(blurred) <= _FEW_FILES * len(survey.readable):
        return None
    text = f"{len(blurred)} of {len(survey.masks)} masks hold many values near few, as after JPEG or smooth resizing"
    return Suspicion(
        "lossy masks",
        True,
        text,
        "export the masks again as PNG, resized by nearest neighbour",
        survey.paths.get(blurred[0], ""),
    )


def _instances(survey: Survey, labels: LabelSpace) -> Suspicion | None:
    """Numbers that count objects: 1, 2, 3, ... in each file, up to another end in each."""
    counted = [
        facts
        for facts in survey.with_values.values()
        if (top := max(facts.pixels)) >= labels.num_classes and {v for v in facts.pixels if v} == set(range(1, top + 1))
    ]
    ends = {max(facts.pixels) for facts in survey.with_values.values()}
    large = any(value >= 1000 and value // 1000 < labels.num_classes + 40 for value in survey.values)
    if not (large and len(survey.values) > labels.num_classes) and (
        len(counted) * 2 < len(survey.with_values) or len(ends) < 3
    ):
        return None
    text = "masks hold instance ids (every object has a number of its own) and not classes"
    fix = "give the semantic masks (Cityscapes: --mask-suffix _gtFine_labelTrainIds)"
    return Suspicion("instance ids", True, text, fix, _first(survey, max(survey.values)))


def _shifted(survey: Survey, labels: LabelSpace) -> Suspicion | None:
    """Values 1..K, or 0..K, where 0..K-1 are classes: 0 is "other", as in ADE20K."""
    values = {value for value in survey.values if labels.value_classes.get(value) != VOID}
    if labels.ids is not None or max(values) != labels.num_classes or min(values) < 0:
        return None
    text = (
        f"masks hold values up to {labels.num_classes}, one more than the last of {labels.num_classes} classes: "
        "they fit the names shifted by one"
    )
    first = labels.names[0]
    fix = f"give --reduce-zero-label if 0 is void and 1 is {first}, or one more name if 0 is a class of its own"
    return Suspicion("shifted by one", True, text, fix, _first(survey, labels.num_classes))


def _unknown(survey: Survey, labels: LabelSpace) -> Suspicion | None:
    """Values without a class in more than a few files."""
    unknown, holders = _unknown_values(survey, labels)
    if not unknown:
        return None
    shown = ", ".join(map(str, sorted(unknown)[:8])) + (", ..." if len(unknown) > 8 else "")
    grave = len(holders) > _FEW_FILES * len(survey.readable)
    text = f"{len(holders)} of {len(survey.masks)} masks hold values that are no class: {shown}"
    fix = "name all classes with --classes, or map the values to classes by ids in a classes JSON"
    return Suspicion("unknown values", grave, text, fix, survey.paths.get(holders[0], holders[0]))


def _unreadable(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    broken = [id_ for id_, facts in survey.masks.items() if facts.error]
    if not broken:
        return None
    first = survey.masks[broken[0]].error
    text = f"{len(broken)} of {len(survey.masks)} masks cannot be read: {first}"
    return Suspicion("unreadable masks", False, text, example=survey.paths.get(broken[0], broken[0]))


def _foreign_colours(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
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
    fix = "give each class's colour under palette in a classes JSON (or the data set's labelmap.txt to --classes)"
    if many:
        text, fix = f"{text} ({len(colours)} in all, as after JPEG or smooth resizing)", "export the masks again as PNG"
    grave = len(holders) > _FEW_FILES * len(survey.readable)
    return Suspicion("colours of no class", grave, text, fix, survey.paths.get(holders[0], holders[0]))


def _other_palette(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    """A file's colour table holds the classes' colours at other indices: indices and colours say different classes."""
    colours = {int(rgb_key(labels.palette[place])): index for index, place in labels.colour_indices.items()}
    classes = labels.value_classes
    contradicting = []
    for id_, facts in survey.with_values.items():
        used = {value: colours.get(colour) for value, colour in facts.palette.items()}
        if len(used) > 1 and None not in used.values() and any(classes.get(v) != c for v, c in used.items()):
            contradicting.append(id_)
    if len(contradicting) <= _FEW_FILES * len(survey.readable):
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


def _labels_in_alpha(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    """Nothing in the colours, something in the alpha channel."""
    hidden = [id_ for id_, facts in survey.readable.items() if facts.hidden > 1 and len(facts.pixels) == 1]
    if len(hidden) <= _FEW_FILES * len(survey.readable):
        return None
    text = f"{len(hidden)} of {len(survey.masks)} masks hold one colour throughout and labels in their alpha channel"
    return Suspicion(
        "labels in alpha", True, text, "save the alpha channel as a grey PNG", survey.paths.get(hidden[0], "")
    )


def _one_class(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    """All masks empty, or all pixels of one class."""
    classes = _class_masks(survey, labels)
    if len(survey.readable) < 3 or len(classes) != 1:
        return None
    (index,) = classes
    name = labels.name(index)
    if index == labels.background:
        return Suspicion("all masks empty", False, f"no mask holds any foreground: all pixels are {name} or void")
    return Suspicion(
        "all one class", False, f"all pixels of all masks are {name} or void", "check --classes and --background"
    )


def _class_masks(survey: Survey, labels: LabelSpace) -> dict[int, int]:
    """In how many masks each class occurs."""
    colours = {int(rgb_key(labels.palette[place])): index for index, place in labels.colour_indices.items()}
    counts: dict[int, int] = {}
    for facts in survey.readable.values():
        meaning = colours if facts.coloured else labels.value_classes
        for index in {meaning[value] for value in facts.pixels if value in meaning} - {VOID}:
            counts[index] = counts.get(index, 0) + 1
    return counts


def _classes_without_mask(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    seen = _class_masks(survey, labels)
    absent = [labels.name(index) for index in labels.foreground if index not in seen]
    if predictions or not absent or len(seen) < 2:
        return None
    shown = ", ".join(absent[:8]) + (", ..." if len(absent) > 8 else "")
    return Suspicion("class without pictures", False, f"{len(absent)} classes are in no mask: {shown}")


def _void_in_predictions(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    """A network predicts a class everywhere; what is void in its masks may be a class read wrongly."""
    void = [value for value, index in labels.value_classes.items() if index == VOID and value in survey.values]
    if not predictions or not void:
        return None
    share = sum(survey.value_pixels[value] for value in void) / max(1, sum(survey.value_pixels.values()))
    if share < 0.01:
        return None
    grave = (
        labels.ids is not None and 0 in void
    )  # 0 is void in the truth's files; in predictions it may be the first class
    listed = ", ".join(map(str, void))
    text = f"{share:.0%} of the predicted pixels are {listed}, which means void"
    fix = f"if {listed} is a class in the predictions, say so with --classes"
    return Suspicion("void in predictions", grave, text, fix, _first(survey, void[0]))


def _background_like_none(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    """The first name was taken for the background, but the class covers little and is hardly ever at the frame."""
    if predictions or labels.background is None or len(survey.readable) < 3:
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


def _turned(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
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


def _sizes(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
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
    fix = "" if predictions else "resize or rotate the masks as their pictures are stored"
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


def _little_used_range(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    """Pictures of 16 bits that use a small part of them, such as 12-bit X-rays: scaled from 0..65535 they are black."""
    deep = [facts for facts in survey.pictures.values() if facts.high is not None]
    if not deep:
        return None
    low, high = min(facts.low or 0.0 for facts in deep), max(facts.high or 0.0 for facts in deep)
    if high > 32767 and low < 16384:
        return None
    text = f"pictures of 16 bits hold values from {low:g} to {high:g} only"
    return Suspicion(
        "little of the range is used", False, text, f"--intensity {low:g},{high:g} is used unless you give another"
    )


def _pages(survey: Survey, labels: LabelSpace, predictions: bool) -> Suspicion | None:
    """Files of several pages, of which only the first is read."""
    several = [id_ for id_, facts in survey.pictures.items() if facts.pages > 1]
    if not several:
        return None
    text = f"{len(several)} of {len(survey.pictures)} pictures have several pages, of which the first is read"
    return Suspicion("several pages", False, text, "give --bands if the pages are bands", several[0])


Rule = Callable[[Survey, LabelSpace, bool], Suspicion | None]

_OF_FILES: tuple[Rule, ...] = (_unreadable, _labels_in_alpha, _turned, _sizes, _little_used_range, _pages)
_OF_CLASSES: tuple[Rule, ...] = (
    _foreign_colours,
    _other_palette,
    _one_class,
    _classes_without_mask,
    _void_in_predictions,
    _background_like_none,
)
