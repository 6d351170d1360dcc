"""Pixel and geometry work on one frame; pure and typed."""
