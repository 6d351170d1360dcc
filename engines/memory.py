"""What was measured on this machine before: one small JSON file, rebuilt when it is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engines.atomic_file import write_atomically

_VERSION = 1
_MOST = 64  # entries kept: models and versions come and go


class Memory:
    """Tables by key; ``path`` need not exist, and what cannot be read or written is forgotten."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, key: str) -> dict[str, Any] | None:
        """What was kept under ``key``."""
        value = self._entries().get(key)
        return value if isinstance(value, dict) else None

    def keep(self, key: str, value: dict[str, Any]) -> None:
        """Keep ``value`` (plain JSON) as the newest entry; the oldest make room."""
        entries = self._entries()
        entries.pop(key, None)
        entries[key] = value
        newest = dict(list(entries.items())[-_MOST:])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"version": _VERSION, "entries": newest}, indent=1)
            write_atomically(self._path, text.encode())
        except OSError:
            return  # a full disk or a read-only folder: it is measured again next time

    def _entries(self) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(document, dict) or document.get("version") != _VERSION:
            return {}
        entries = document.get("entries")
        return entries if isinstance(entries, dict) else {}
