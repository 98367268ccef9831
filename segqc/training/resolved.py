"""A training configuration in which nothing is left open: what `segqc train` works with and writes to disk."""

import dataclasses
from dataclasses import dataclass

import ncsnpp
from segqc.training.config import PRESETS, TrainConfig

_DECIDED_BY_PRESET = (
    "steps",
    "batch_size",
    "learning_rate",
    "warmup_steps",
    "image_size",
    "grid_size",
    "views",
    "encoder",
)
_DECODING_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class ResolvedTrainConfig(TrainConfig):
    """A `TrainConfig` with every number that a preset decides, in the same fields; made by `resolve`."""

    steps: int
    guess_steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    image_size: int
    grid_size: int
    views: int

    @property
    def loader_workers(self) -> int:
        """Loader processes: as asked for; else four where pictures are decoded at every step, none with a cache."""
        if self.workers is not None:
            return self.workers
        return 0 if self.views else _DECODING_WORKERS


def resolve(config: TrainConfig) -> ResolvedTrainConfig:
    """Fill in what the preset decides; a resolved configuration comes back as it is.

    Raises
    ------
    ValueError
        Sizes that cannot work together, or an encoder that timm does not know or that gives no maps.
    """
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(TrainConfig)}
    for name in _DECIDED_BY_PRESET:
        if values[name] is None:
            values[name] = getattr(PRESETS[config.preset], name)
    if values["encoder"] is not None and config.image_size is None:
        # a vision transformer takes multiples of its patch only
        values["image_size"] = ncsnpp.nearest_size(values["encoder"], values["image_size"])
    elif values["encoder"] is not None:
        ncsnpp.check_size(values["encoder"], values["image_size"])
    if values["guess_steps"] is None:
        values["guess_steps"] = max(1, values["steps"] // 5)
    resolved = ResolvedTrainConfig(**values)
    if resolved.encoder is None and (resolved.views or resolved.image_size != resolved.grid_size):
        raise ValueError(
            "Without an encoder the picture is concatenated to the mask: "
            "image_size must equal grid_size, and views must be 0"
        )
    if resolved.fold is not None and not 0 <= resolved.fold < resolved.folds:
        raise ValueError(f"Expected fold to lie in 0..{resolved.folds - 1}, but got {resolved.fold}")
    return resolved
