"""Warnings that are given once."""

import contextlib
import warnings


class Notices:
    """Warns of each kind of thing the first time it happens; never raises, even where warnings are errors."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def once(self, text: str, key: str | None = None) -> None:
        """Warn, unless that was done before.

        Parameters
        ----------
        text : str
        key : str, optional
            What makes two texts the same; by default the text.
        """
        if (key or text) in self._known:
            return
        self._known.add(key or text)
        with contextlib.suppress(Warning):
            warnings.warn(f"segqc: {text}", stacklevel=5)
