"""NCSN++: the network alone. Shapes in, shapes out."""

from ncsnpp.backbones import check_size, nearest_size
from ncsnpp.config import NCSNppConfig
from ncsnpp.context import Context
from ncsnpp.encoder import ImageEncoder, encoder_shape, has_classifier
from ncsnpp.network import NCSNpp
from ncsnpp.presets import cpu, fast, voc128, voc256
from ncsnpp.uninitialised import Uninitialised

__all__ = [
    "Context",
    "ImageEncoder",
    "NCSNpp",
    "NCSNppConfig",
    "Uninitialised",
    "check_size",
    "cpu",
    "encoder_shape",
    "fast",
    "has_classifier",
    "nearest_size",
    "voc128",
    "voc256",
]
