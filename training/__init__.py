"""Training of the bundled networks; needs the [train] extra. Never imported by app or engines."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as in engines.onnx_backend, for what is imported next
