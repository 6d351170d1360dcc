"""The bundled int8 file belongs to the bundled generator."""

from __future__ import annotations

from engines.manifest import ModelStore


def test_it_was_made_of_the_generator_beside_it() -> None:
    store = ModelStore()
    names = [file.name for file in store.files()]
    if "swapper_int8" in names:
        found = store.variant(store.file("swapper"), "int8")
        assert found is not None, "stale: run training.quantise and training.bundle, or delete it"
        assert found.state() == "ok"
