"""Noise levels that a score may be read from."""

from collections.abc import Sequence

from segqc.model.quality_model import QualityModel


def check_levels(levels: Sequence[int], model: QualityModel) -> tuple[int, ...]:
    """The levels as a tuple, if a score can be read from them; see `segqc.QualityControl`."""
    chosen, count = tuple(levels), len(model.config.ladder)
    if not chosen or list(chosen) != sorted(set(chosen)) or not 0 <= chosen[0] <= chosen[-1] < count:
        raise ValueError(
            f"Expected ascending noise levels in 0..{count - 1}, but got {', '.join(map(str, chosen)) or 'none'}"
        )
    if model.method.needs_all_levels and len(chosen) < count:
        raise ValueError(
            f"The score of method {model.method.name!r} is a density over all {count} noise levels: read them all"
        )
    return chosen
