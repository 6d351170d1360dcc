"""Training of the bundled networks; needs the [train] extra. Never imported by app or engines."""
