"""How the stored numbers of a set of masks are read: one reading, or a suspicion where several are possible."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from segqc.data.inspection.survey import Survey
from segqc.data.inspection.suspicion import FEW_FILES, MaskRole, Suspicion
from segqc.data.labels import VOID, LabelSpace

Read = tuple[LabelSpace, list[str], Suspicion | None]


def settle_values(survey: Survey, labels: LabelSpace, role: MaskRole) -> Read:
    """The reading of the stored numbers, decisions to print, and a grave suspicion where there is no one reading."""
    values, known = survey.values, labels.value_classes
    if not values:
        return labels, [], None
    binary = _binary(survey, labels, role)
    if binary is not None:
        return binary
    if values <= set(known):
        return labels, [], None
    if -1 in values - set(known):  # LabelMe's and OpenMMLab's sign for pixels to be ignored
        further = {value: index for value, index in known.items() if index != VOID or value != labels.void}
        labels = dataclasses.replace(labels, ids=further | {-1: VOID})
        read_as, said, grave = settle_values(survey, labels, role)
        return read_as, ["-1 in masks is read as void", *said], grave
    plain = dataclasses.replace(labels, ids=None, void=VOID)
    if labels.ids is not None and values <= set(plain.value_classes):
        return (
            plain,
            ["masks hold class indices, and are read so (the model was trained on files with other values)"],
            None,
        )
    for rule in (_lossy, _instances, _shifted, _unknown):
        suspicion = rule(survey, labels, role)
        if suspicion is not None:
            return labels, [], suspicion
    return labels, [], None


def _binary(survey: Survey, labels: LabelSpace, role: MaskRole) -> Read | None:
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
    # Files may hold two of a model's many classes: then the user has said which.
    held = range(labels.num_classes) if labels.ids is None else sorted({*labels.ids.values()} - {VOID})
    if len(held) != 2:
        if meaning == VOID and not _mostly(survey, value):
            return None
        text = f"masks hold only 0 and {value}, but there are {labels.num_classes} classes"
        fix = (
            f'for masks of one class give {role.classes_option} "background,NAME"; '
            f"else map {value} to its class by ids in a classes JSON"
        )
        return labels, [], Suspicion("binary masks, several classes", True, text, fix, first_with(survey, value))
    other, foreground = held if labels.background != held[1] else reversed(held)
    name = labels.names[foreground]
    if meaning == VOID and labels.void_stated:
        text = f"masks hold only 0 and {value}, and {value} was stated to be void: then they hold no {name} at all"
        fix = (
            f'give "void": null in the classes JSON to read {value} as {name}, '
            'or "ids": {"0": 0} if it is void indeed'
        )
        return labels, [], Suspicion("binary masks, void stated", True, text, fix, first_with(survey, value))
    ids = {0: other, value: foreground}
    read = dataclasses.replace(labels, ids=ids, void=None)
    return read, [f"masks hold 0 and {value}: {value} is read as {name}"], None


def _mostly(survey: Survey, value: int) -> bool:
    """Whether a value is in most masks: void alone beside background is in a few at most."""
    return survey.value_masks[value] * 2 > len(survey.with_values)


def first_with(survey: Survey, value: int) -> Path | str:
    return survey.example(lambda facts: not facts.coloured and value in facts.pixels)


def _unknown_values(survey: Survey, labels: LabelSpace) -> tuple[set[int], list[str]]:
    """Values that are no class, and the ids of masks that hold them."""
    known = set(labels.value_classes)
    return survey.values - known, [id_ for id_, facts in survey.with_values.items() if set(facts.pixels) - known]


def _lossy(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """Many values near few: masks that went through JPEG, or were resized with interpolation."""
    known = np.array(sorted({*labels.value_classes, 0, 255}))
    blurred = []
    for id_, facts in survey.with_values.items():
        total = sum(facts.pixels.values())
        main = {value for value, count in facts.pixels.items() if count > 0.02 * total}
        strays = [value for value in facts.pixels if value not in main]
        near = sum(1 for value in strays if min(abs(value - peak) for peak in main) <= 12) if main else 0
        unknown = sum(1 for value in facts.pixels if value not in known)
        # Smooth resizing of classes leaves peaks at their values and few pixels at many values between two of them.
        between = len(main) > 1 and main <= set(known.tolist()) and min(main) <= min(strays, default=0)
        between = between and max(strays, default=0) <= max(main)
        if len(strays) >= 8 and unknown >= 6 and (near * 2 > len(strays) or between) and len(main) <= 12:
            blurred.append(id_)
    if len(blurred) <= FEW_FILES * len(survey.readable):
        return None
    text = f"{len(blurred)} of {len(survey.masks)} masks hold many values near few, as after JPEG or smooth resizing"
    return Suspicion(
        "lossy masks",
        True,
        text,
        "export the masks again as PNG, resized by nearest neighbour",
        survey.paths.get(blurred[0], ""),
    )


def _instances(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
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
    return Suspicion("instance ids", True, text, fix, first_with(survey, max(survey.values)))


def _shifted(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
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
    return Suspicion("shifted by one", True, text, fix, first_with(survey, labels.num_classes))


def _unknown(survey: Survey, labels: LabelSpace, role: MaskRole) -> Suspicion | None:
    """Values without a class in more than a few files."""
    unknown, holders = _unknown_values(survey, labels)
    if not unknown:
        return None
    shown = ", ".join(map(str, sorted(unknown)[:8])) + (", ..." if len(unknown) > 8 else "")
    grave = len(holders) > FEW_FILES * len(survey.readable)
    text = f"{len(holders)} of {len(survey.masks)} masks hold values that are no class: {shown}"
    fix = f"name all classes with {role.classes_option}, or map the values to classes by ids in a classes JSON"
    if len(survey.values) == labels.num_classes:  # grey levels that were chosen to be seen: 0, 127, 254
        pairs = zip(sorted(survey.values), labels.names, strict=True)
        fix += ": " + json.dumps({str(value): name for value, name in pairs}, ensure_ascii=False)
    return Suspicion("unknown values", grave, text, fix, survey.paths.get(holders[0], holders[0]))
