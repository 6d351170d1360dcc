"""How good a swapper is on people held out: ``python -m benchmarks.quality --help``.

The front of ``training.evaluate``, for any swapper: the bundled one (``--models assets``), one in
training, or one you added (``--added NAME``). Needs the ``[train]`` extra and a folder of faces.
"""

from __future__ import annotations

import sys

from training.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
