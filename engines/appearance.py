"""How a source looks, beside who it is: two networks read the same crop of it.

A recogniser is trained to forget what does not tell people apart; the appearance network was
trained to know a photo again in another light and crop, and our generator to make use of that.
"""

from __future__ import annotations

import numpy as np

from engines.errors import EngineError
from engines.recognizer import Embedding, Recognizer, embed_both, unit
from engines.templates import Template
from engines.tensors import Pixels


class JoinedRecognizer:
    """Identity and appearance side by side in one vector of length 1, both halves equally long.

    ``identity_width`` is where the appearance begins. Vectors of several photos may be averaged
    like any embedding; that shortens the halves unequally, which ``halves`` takes back.
    """

    def __init__(self, identity: Recognizer, appearance: Recognizer, identity_width: int) -> None:
        if identity.crop_size != appearance.crop_size or not np.allclose(
            identity.template, appearance.template, atol=1e-3
        ):
            raise EngineError(
                f"{identity.name} reads crops of {identity.crop_size} px and {appearance.name} "
                f"other ones of {appearance.crop_size} px, but both must read the same crop."
            )
        self._identity, self._appearance = identity, appearance
        self._identity_width = identity_width

    @property
    def name(self) -> str:
        """Both names: another file of either network is another embedding space."""
        return f"{self._identity.name} with {self._appearance.name}"

    @property
    def crop_size(self) -> int:
        """Side of the crop in pixels."""
        return self._identity.crop_size

    @property
    def template(self) -> Template:
        """5 x 2 points in crop pixels."""
        return self._identity.template

    def embed(self, crop: Pixels) -> Embedding:
        """Both vectors of an aligned BGR crop, length 1 in all; its mirror image has a say in who
        it is (``embed_both``)."""
        both = (embed_both(self._identity, crop), self._appearance.embed(crop))
        return unit(np.concatenate(both), self.name)

    def halves(self, embedding: Embedding) -> Embedding:
        """``embedding`` with its identity and its appearance of length 1 each.

        ``EngineError`` where one of them is nothing, as when faces cancel each other out.
        """
        identity, appearance = np.split(embedding, [self._identity_width])
        return np.concatenate((unit(identity, self.name), unit(appearance, self.name)))

    def close(self) -> None:
        """Free both networks."""
        self._identity.close()
        self._appearance.close()
