"""Consent records and the marks that say a frame is AI-generated."""
