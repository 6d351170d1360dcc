"""Omokage: a real-time face-swap mirror for the desktop."""

__version__ = "0.1.0"
