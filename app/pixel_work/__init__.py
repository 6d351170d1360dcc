"""Cutting faces out, putting them back, and marking the frame; on the host or on a GPU."""
