"""The progress bar of long work: on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


class Progress(tqdm):  # type: ignore[misc] # tqdm has no types
    """tqdm without its watching thread, silent where nobody sees it."""

    monitor_interval = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, disable=None, file=sys.stderr, **options)
