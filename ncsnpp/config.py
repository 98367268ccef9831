"""Everything that determines the shape of an NCSN++."""

from dataclasses import dataclass

LEVEL_EMBEDDINGS = ("film", "additive")
CONDITIONINGS = ("concat", "pyramid", "none")
BODIES = ("full", "light")


@dataclass(frozen=True)
class NCSNppConfig:
    """Configuration of `NCSNpp`; `dataclasses.asdict` of it is JSON, and `NCSNppConfig(**json)` restores it.

    Raises
    ------
    ValueError
        Names the argument that does not fit.
    """

    in_channels: int  # channels of x: the number of classes K
    out_channels: int  # channels of the output
    grid_size: int = 256  # nominal side of x; says which level has which resolution, any other H x W works too
    patch: int = 1  # space-to-depth factor before the first level, depth-to-space after the last
    channels: int = 64  # width of the first level; the level embedding has 4 times as many
    # width of each level over `channels`; every level halves the resolution
    channel_mult: tuple[int | float, ...] = (1, 2, 2, 2, 4, 4)
    blocks: int = 2  # residual blocks a level in the encoder
    # "full": as Song; "light": FIR + 1x1 resampling, as many decoder as encoder blocks, one summed skip a level
    body: str = "full"
    attention_resolutions: tuple[int, ...] = (16,)  # sides (at `grid_size`, after `patch`) of the levels with attention
    attention_middle: bool = True  # attention between the two middle blocks as well
    attention_heads: int = 1  # heads of every attention
    # "film": scale and shift of a normalisation; "additive": added to the features, as Song
    level_embedding: str = "film"
    fourier_scale: float = 0.25  # standard deviation of the level's Fourier frequencies (Song: 16 on log sigma)
    stem_kernel: int = 3  # kernel side of the first convolution and of the output heads: 3, as Song, or 1
    dropout: float = 0.0  # probability inside the residual blocks
    input_pyramid: bool = False  # FIR-downsampled input joins every level by a 1x1 convolution and sum ("input_skip")
    output_pyramid: bool = False  # every level adds its own output to the FIR-upsampled one before ("output_skip")
    conditioning: str = "none"  # "concat": image channels beside x; "pyramid": feature maps of a backbone; "none"
    image_channels: int = 3  # channels of the image ("concat" only)
    context_channels: tuple[int, ...] = ()  # channels of each feature map ("pyramid" only)
    context_sizes: tuple[int, ...] = ()  # nominal side of each feature map when x has `grid_size` ("pyramid" only)
    context_width: int = 128  # width of the context path ("pyramid" only)
    context_blocks: int = 1  # residual blocks per scale of the context path ("pyramid" only)

    def __post_init__(self) -> None:
        for name in ("channel_mult", "attention_resolutions", "context_channels", "context_sizes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON gives lists
        for name, choices in (("level_embedding", LEVEL_EMBEDDINGS), ("conditioning", CONDITIONINGS), ("body", BODIES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"Expected `{name}` to be one of {choices}, but got {getattr(self, name)!r}")
        for name in (
            "in_channels",
            "out_channels",
            "grid_size",
            "patch",
            "channels",
            "blocks",
            "attention_heads",
            "image_channels",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected `{name}` to be at least 1, but got {getattr(self, name)}")
        if not self.channel_mult:
            raise ValueError("Expected `channel_mult` to name at least one level, but got ()")
        if self.stem_kernel % 2 == 0:
            raise ValueError(f"Expected `stem_kernel` to be odd, but got {self.stem_kernel}")
        unknown = set(self.attention_resolutions) - set(self.resolutions)
        if unknown:
            raise ValueError(
                f"Expected `attention_resolutions` to be among the levels' {self.resolutions}, "
                f"but got {sorted(unknown)}"
            )
        if self.conditioning == "pyramid" and not len(self.context_channels) == len(self.context_sizes) > 0:
            raise ValueError(
                "Expected `context_channels` and `context_sizes` to have one entry per feature map, "
                f"but got {self.context_channels} and {self.context_sizes}"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        return tuple(round(self.channels * factor) for factor in self.channel_mult)

    @property
    def encoder_entries(self) -> tuple[int, ...]:
        """Channels that enter the blocks of each encoder level, finest first: the "light" body widens before them."""
        return self.widths if self.body == "light" else (self.widths[0], *self.widths[:-1])

    @property
    def decoder_entries(self) -> tuple[int, ...]:
        """Channels that enter each decoder level from the coarser one, finest first: "light" narrows before it."""
        return self.widths if self.body == "light" else (*self.widths[1:], self.widths[-1])

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Nominal side of each level, finest first."""
        sides = [-(-self.grid_size // self.patch)]
        while len(sides) < len(self.channel_mult):
            sides.append((sides[-1] + 1) // 2)
        return tuple(sides)
