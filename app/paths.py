"""Where settings, faces, logs and videos live; ``OMOKAGE_HOME`` puts all of it in one folder."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import platformdirs

NAME = "omokage"


def _home() -> Path | None:
    text = os.environ.get("OMOKAGE_HOME", "")
    return Path(text) if text else None


def config_path() -> Path:
    """The settings file (TOML); it need not exist."""
    home = _home()
    folder = home if home else Path(platformdirs.user_config_dir(NAME, appauthor=False))
    return folder / "settings.toml"


def data_dir() -> Path:
    """The folder of the user's faces, consent records, models and logs; it need not exist."""
    home = _home()
    return home if home else Path(platformdirs.user_data_dir(NAME, appauthor=False))


def faces_dir() -> Path:
    """The folder of the faces the user added."""
    return data_dir() / "faces"


def engines_path() -> Path:
    """What was measured of the engines on this machine; it need not exist, and may be deleted."""
    home = _home()
    folder = home if home else Path(platformdirs.user_cache_dir(NAME, appauthor=False))
    return folder / "engines.json"


def enrolment_path() -> Path:
    """The file with the embeddings of the performer's face; it need not exist."""
    return data_dir() / "me.npz"


def log_path() -> Path:
    """The log file; it need not exist."""
    return data_dir() / "omokage.log"


def signing_key_path() -> Path:
    """The key and certificate of content credentials; it need not exist."""
    return data_dir() / "signing-key.pem"


def web_token_path() -> Path:
    """The secret in the web page's address; it need not exist."""
    return data_dir() / "web-page-token"


def scenes_path() -> Path:
    """The scenes (TOML); it need not exist."""
    return data_dir() / "scenes.toml"


def control_token_path() -> Path:
    """The secret of the control by other programs; it need not exist."""
    return data_dir() / "control-token"


def control_address_path() -> Path:
    """Where the control that runs now listens; there while it runs."""
    return data_dir() / "control-address"


def journal_dir() -> Path:
    """Notes of the recordings under way; it need not exist."""
    return data_dir() / "recording"


def default_video_dir() -> Path:
    """Where recordings and snapshots go unless the user says otherwise."""
    home = _home()
    return home / "videos" if home else Path(platformdirs.user_videos_dir())


def kernels_dir() -> Path:
    """Where the GPU kernels compiled for this machine's card are kept; it need not exist."""
    home = _home()
    folder = home / "cache" if home else Path(platformdirs.user_cache_dir(NAME, appauthor=False))
    return folder / "kernels"


def fresh_path(folder: Path, suffix: str, now: datetime) -> Path:
    """A file name that is not taken: ``Omokage 2026-01-31 12.30.05.mp4``, then ``... (2).mp4``."""
    stem = f"Omokage {now:%Y-%m-%d %H.%M.%S}"
    path = folder / f"{stem}{suffix}"
    number = 2
    while path.exists():
        path = folder / f"{stem} ({number}){suffix}"
        number += 1
    return path
