"""Settings, model cards, consent records and kept faces: whatever is in the file, a sentence."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st

from app.consents import Consents
from app.errors import AppError, ConsentError, SettingsError
from app.provenance.consent import Basis, from_table, record_consent, to_table
from app.settings import Settings, fields_of, from_mapping, get_value, with_value
from app.settings_file import load, save
from app.source_face import read_face, write_face
from engines.errors import EngineError
from engines.manifest import ModelStore
from engines.toml_text import parse_toml
from tests.fuzz.mutations import FUZZ, NASTY, damaged
from tests.helpers.sentences import one_sentence

WORDS = (
    *NASTY,
    b"[" * 3000,
    b"a.b." * 900,
    b"{" * 2000,
    b"9" * 400,
    b"1e999",
    b"nan",
    b"-inf",
    b'"\\u0000"',
    b"1979-05-27T07:32:00Z",
    b"''' ",
    b"[[model]]\n",
    b"=",
    b"\n",
    b"[]",
    b"{}",
)


def _saved() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.toml"
        save(with_value(Settings(), "capture.source", 'C:\\a "clip"\n.mp4'), path)
        return path.read_bytes()


SETTINGS = _saved()
CARD = b"""name = "mine"
family = "inswapper"

[generator]
file = "mine.generator.onnx"
sha256 = "00"
bytes = 12
licence = "MIT"
"""
RECORD = record_consent("a-1", "Mina", Basis.WRITTEN, "by letter", [b"x"], expires="2030-01-31")
CONSENT = tomlkit.dumps(to_table(RECORD)).encode()


def valid(found: Settings) -> bool:
    """Whether every value is one that may be set."""
    return all(with_value(found, s.path, get_value(found, s.path)) for s in fields_of(found))


@FUZZ
@given(damaged([SETTINGS], words=WORDS))
@example(b"a = " + b"[" * 5000)
@example(b"[" + b".".join([b"a"] * 3000) + b"]")
@example(b"[mask]\ntop = 1" + b"0" * 400)
@example(b'"' + b"x" * 9000 + b'" = 1')
@example(b'[mask]\nkind = "' + b"x" * 100_000 + b'"')
def test_settings(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.toml"
        path.write_bytes(data)
        found, problems = load(path)
        for problem in problems:
            one_sentence(problem)
        assert valid(found)
        save(found, path)
        assert load(path) == (found, [])
        kept = {file.name for file in Path(folder).iterdir()}
        assert kept <= {"settings.toml", "settings.toml.damaged"}


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = [item.path for item in fields_of(Settings())]


@FUZZ
@given(st.sampled_from(PATHS), VALUES)
@example("mask.top", 10**400)
@example("capture.source", "\udcff.mp4")
def test_any_value_for_any_setting_is_taken_and_saved_or_refused(path: str, value: object) -> None:
    try:
        taken = with_value(Settings(), path, value)
    except SettingsError as error:
        one_sentence(str(error))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.toml"
        save(taken, file)
        read, problems = load(file)
    assert problems == []
    text = get_value(taken, path)
    wanted = text.encode(errors="replace").decode() if isinstance(text, str) else text
    assert get_value(read, path) == wanted


@FUZZ
@given(st.dictionaries(st.sampled_from([*PATHS, "mask", "swap", "version", ""]), VALUES))
@example({"swap": {"\n": None}})
def test_any_table_gives_valid_settings(table: dict[str, object]) -> None:
    found, problems = from_mapping(table)
    for problem in problems:
        one_sentence(problem)
    assert valid(found)


@FUZZ
@given(damaged([CARD], words=WORDS))
@example(b"a = " + b"[" * 5000)
@example(CARD.replace(b"mine.generator", b"../../etc/passwd"))
@example(CARD.replace(b"mine.generator", b"/etc/passwd\\u0000"))
@example(CARD.replace(b'"mine.generator.onnx"', b'".."'))
@example(CARD.replace(b'"mine.generator.onnx"', b'""'))
@example(CARD.replace(b'"mine"', b'"' + b"x" * 100_000 + b'"'))
def test_model_cards(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        user = Path(folder)
        (user / "mine.toml").write_bytes(data)
        cards, problems = ModelStore(user=user).cards()
        assert len(cards) + len(problems) == 1
        for problem in problems:
            one_sentence(problem)
        for card in cards:
            assert card.generator.path.resolve().parent == user.resolve()
            with pytest.raises(EngineError):
                card.generator.read()
        assert all(entry.state != "ok" or entry.name for entry in ModelStore(user=user).list())


@FUZZ
@given(damaged([CONSENT], words=WORDS))
@example(b"a = " + b"[" * 5000)
def test_consent_records(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        single = Path(folder) / ".consent"
        single.mkdir()
        (single / "00.toml").write_bytes(data)
        consents = Consents(Path(folder))
        found, problems = consents.list(), consents.problems()
        assert len(found) + len(problems) == 1  # a record, or one sentence
        for problem in problems:
            one_sentence(problem)
        for record in (consent.record for consent in found):
            assert record.person.strip()
            assert isinstance(record.basis, Basis)
            if refusal := consents.refusal(record):
                one_sentence(refusal)


@FUZZ
@given(st.dictionaries(st.sampled_from(list(to_table(RECORD))), VALUES))
def test_consent_tables(changes: dict[str, object]) -> None:
    try:
        record = from_table(to_table(RECORD) | changes)
    except ConsentError as error:
        one_sentence(str(error))
        return
    assert isinstance(record.basis, Basis)


def _face() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        square = np.full((32, 32, 3), 90, np.uint8)
        vector = np.ones(8, np.float32)
        made = write_face(Path(folder), "Mina", "omokage", [square], vector, RECORD)
        return {path.name: path.read_bytes() for path in made.iterdir()}


FACE = _face()


HEADER = FACE["embedding.npy"].index(b"'shape'")


@FUZZ
@given(
    st.sampled_from(sorted(FACE)).flatmap(
        lambda name: st.tuples(st.just(name), damaged([FACE[name]], words=WORDS))
    )
)
@example(("embedding.npy", FACE["embedding.npy"][:HEADER] + FACE["embedding.npy"]))  # TokenError
@example(("embedding.npy", FACE["embedding.npy"].replace(b"(8,), }  ", b"(10**9,)}")))
@example(("embedding.npy", FACE["embedding.npy"].replace(b"(8,), }   ", b"(99999999,")))
def test_kept_faces(changed: tuple[str, bytes]) -> None:
    name, bad = changed
    with tempfile.TemporaryDirectory() as folder:
        for file, content in FACE.items():
            (Path(folder) / file).write_bytes(bad if file == name else content)
        try:
            face = read_face(Path(folder))
        except AppError as error:
            one_sentence(str(error))
            return
        assert np.isfinite(face.embedding).all()
        assert face.thumbnail.ndim == 3


def test_nesting_has_a_limit() -> None:
    assert parse_toml("a = [[[1]]]") == {"a": [[[1]]]}
    with pytest.raises(ValueError, match="nested"):
        parse_toml("a = " + "[" * 40 + "]" * 40)
    with pytest.raises(ValueError, match="nested"):
        parse_toml(".".join(["a"] * 40) + " = 1")
