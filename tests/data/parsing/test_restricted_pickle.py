"""Plain values come through every protocol; nothing else does, and nothing is ever run."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.data.parsing import restricted_pickle
from oneglance.errors import DataError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.binary(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values, st.sampled_from(PROTOCOLS))
@settings(deadline=None)
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    restored = restricted_pickle.loads(pickle.dumps(value, protocol), "a")
    assert restored == value
    assert repr(restored) == repr(value)  # True is not 1, and b"" is not ""


@given(
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
    st.sampled_from("CF"),
    st.sampled_from(PROTOCOLS),
)
@settings(deadline=None)
def test_arrays_come_back(shape: tuple[int, ...], order: Any, protocol: int) -> None:
    array = np.arange(np.prod(shape, dtype=int), dtype=np.uint8).reshape(shape, order=order)
    restored = restricted_pickle.loads(pickle.dumps({"data": array, "same": [array]}, protocol), "a")
    assert restored["data"].dtype == np.uint8
    np.testing.assert_array_equal(restored["data"], array)
    assert restored["same"][0] is restored["data"]


def test_what_numpy_1_wrote_comes_back() -> None:
    new = pickle.dumps(np.arange(6, dtype=np.uint8).reshape(2, 3), 2)
    old = new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != new
    np.testing.assert_array_equal(restricted_pickle.loads(old, "a"), [[0, 1, 2], [3, 4, 5]])


def python_2(pixels: bytes, shape: tuple[int, int]) -> bytes:
    """{'data': array, 'labels': [3], 'batch_label': 'b\xe9'} as Python 2 and its numpy wrote it."""

    def short(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    state = b"(" + number(3) + short(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"t"
    dtype = b"cnumpy\ndtype\n" + short(b"u1") + number(0) + number(1) + b"\x87R" + state + b"b"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
        + number(0)
        + b"\x85"
        + short(b"b")
        + b"tR("
        b"" + number(1) + number(shape[0]) + number(shape[1]) + b"\x86" + dtype + b"\x89"
        b"T" + struct.pack("<i", len(pixels)) + pixels + b"tb"
    )
    return (
        b"\x80\x02}(" + short(b"data") + array + short(b"labels") + b"](" + number(3) + b"e"
        b"" + short(b"batch_label") + short(b"b\xe9") + b"u."
    )


def test_what_python_2_wrote_comes_back() -> None:
    value = restricted_pickle.loads(python_2(bytes(range(250, 256)), (2, 3)), "a")
    np.testing.assert_array_equal(value["data"], [[250, 251, 252], [253, 254, 255]])
    assert (value["labels"], value["batch_label"]) == ([3], "bé")


class Harmful:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.system, (f"echo > {self.trace}",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_that_acts_is_refused_and_does_not_act(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    harmful = pickle.dumps({"data": Harmful(trace)}, protocol)
    with pytest.raises(DataError, match=r"asks for more than plain values: (posix|nt)\.system"):
        restricted_pickle.loads(harmful, "data_batch_1")
    assert not trace.exists()
    pickle.loads(harmful)  # it would have, so the test means something
    assert trace.exists()


FORBIDDEN = [
    *("os system", "posix system", "builtins eval", "builtins exec", "builtins getattr", "__builtin__ eval"),
    *("builtins __import__", "numpy load", "numpy fromfile", "numpy.testing rundocs", "subprocess Popen"),
    *("_codecs decode", "functools partial", "operator attrgetter", "copyreg _reconstructor", "os path.join"),
    *("numpy ndarray.tofile", "oneglance.data.parsing.restricted_pickle _encode", "numpy dtype.__reduce__"),
]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_every_other_name_is_refused_before_it_is_looked_up(name: str, monkeypatch: Any) -> None:
    def lookup(*_: Any) -> Any:
        raise AssertionError("nothing may be imported")

    monkeypatch.setattr("builtins.__import__", lookup)
    module, _, function = name.partition(" ")
    by_line = f"c{module}\n{function}\n(S'print(1)'\ntR.".encode()
    by_stack = (
        b"\x80\x04" + b"".join(b"\x8c" + bytes([len(w)]) + w.encode() for w in (module, function)) + b"\x93."
    )
    for data in (by_line, by_stack):
        with pytest.raises(DataError, match=f"more than plain values: {module}.{function}"):
            restricted_pickle.loads(data, "a")


STUBS = [b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"c_codecs\nencode\n", b"cbuiltins\nbytes\n"]
DTYPE = b"cnumpy\ndtype\n(Vu1\ntR"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
STATES = [
    b"}Vname\nVevil\ns",  # attributes
    b"(N}V__class__\nVevil\nst",  # slots
    b"(N}Vname\nVnumpy.ndarray\nst",
    b"(I3\nV|\nNNNI-1\nI-1\nI63\nt",  # flags of a data type that holds references
    b"(I3\nV|\nN(Vf\nt}Vf\n(I0\nI9\ntsI8\nI1\nI0\nt",  # fields beyond the item
    b"(I1\n(I99999999999\nt" + DTYPE + b"I00\nVabc\nt",  # more numbers than there are
    b"(I1\n(I-1\nt" + DTYPE + b"I00\nVabc\nt",
    b"(I1\n(I3\ntVO8\nI00\nVabcdefgh\nt",
    b"(t",
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("target", [*STUBS, DTYPE, ARRAY, b"]", b"}", b"(t", b"Vtext\n", b"I1\n"])
def test_a_state_changes_no_stub_and_no_value(target: bytes, state: bytes) -> None:
    build = restricted_pickle._STUBS["_codecs", "encode"]
    assert build is not None
    before = dict(vars(build)), build.__defaults__  # type: ignore[attr-defined]
    with pytest.raises(DataError):
        restricted_pickle.loads(b"(" + target + state + b"bl.", "a")
    assert (dict(vars(build)), build.__defaults__) == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("target", [*STUBS, DTYPE])
def test_a_stub_takes_no_state_at_all(target: bytes, state: bytes) -> None:
    with pytest.raises(DataError, match=r"more than plain values: a state"):
        restricted_pickle.loads(b"(" + target + state + b"bl.", "a")


def test_an_array_is_filled_once() -> None:
    state = b"(I1\n(I3\nt" + DTYPE + b"(I3\nV|\nNNNI-1\nI-1\nI0\ntbI00\nVabc\ntb"
    array = restricted_pickle.loads(ARRAY + state + b".", "a")
    assert array.tolist() == [97, 98, 99]
    with pytest.raises(DataError, match="damaged"):
        restricted_pickle.loads(ARRAY + state + state + b".", "a")


def eights(value: int) -> bytes:
    return struct.pack("<Q", value)


BOMBS = {
    "memo": b"]r\xff\xff\xff\x7f.",
    "memo by text": b"]p99999999999\n.",
    "LONG4": b"\x8b\xff\xff\xff\x7f\x01.",
    "negative LONG4": b"\x8b\xff\xff\xff\xff\x01.",
    "BINUNICODE8": b"\x8d" + eights(1 << 40) + b"a.",
    "BINUNICODE8 past the end of numbers": b"\x8d" + eights((1 << 64) - 1) + b"a.",
    "BINBYTES8": b"\x8e" + eights(1 << 40) + b"a.",
    "BYTEARRAY8": b"\x96" + eights(1 << 40) + b"a.",
    "BINSTRING": b"T\xff\xff\xff\x7fa.",
    "FRAME": b"\x80\x04\x95" + eights(1 << 40) + b"N.",
    "INT": b"I" + b"9" * 1_000_000 + b"\n.",
    "LONG": b"L" + b"9" * 1_000_000 + b"L\n.",
    "persistent id": b"Pa\n.",
    "extension": b"\x82\x01.",
    "two values": b"NN.",
    "numbers as keys": b"}" + b"".join(b"L%dL\nNs" % (n * ((1 << 61) - 1)) for n in range(20_000)) + b".",
    "a deep key": b"}" + b")" + b"\x85" * 500_000 + b"Ns.",
    "a key of equal tuples": b"}" + b")" + b"q\x00h\x00\x86" * 60 + b"Ns.",  # hashed 2 ** 60 times
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_bomb_costs_neither_memory_nor_time(data: bytes) -> None:
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            restricted_pickle.loads(data, "a")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(data) + 1_000_000
    assert time.process_time() - start < 20


def test_a_file_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricted_pickle, "LARGEST", 3)
    assert restricted_pickle.loads(b"K\x01.", "a") == 1
    with pytest.raises(DataError, match="larger than 3 bytes"):
        restricted_pickle.loads(b"I1\n.", "a")


class Thing:
    pass


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=1),
        Thing(),
        np.arange(3.0),
        np.arange(3),
        np.array([None, os], dtype=object)[:1],
        np.float64(1),
        np.dtype("u1"),
        np.ndarray,
        [np.ndarray],
        ((np.ndarray,), 1),
        {1: "a"},
        {(1, 2): "a"},
        {1, 2},
        1j,
        print,
        os.path.join,
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_refused(value: Any, protocol: int) -> None:
    with pytest.raises(DataError) as error:
        restricted_pickle.loads(pickle.dumps(value, protocol), "meta")
    assert str(error.value).startswith("meta: ")


@pytest.mark.parametrize(
    "data",
    [
        b"cnumpy\nndarray\n(I100000000000\ntR.",  # an array of that size
        b"c_codecs\nencode\n(Vid\nVrot13\ntR.",
        b"cbuiltins\nbytes\n(I100000000000\ntR.",  # so many zeros
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntVb\ntR.",
        b"(I1\nI2\nR.",
        b"cos\nsystem\n.",
        b"I1\n(b.",
        pickle.dumps(np.arange(6, dtype=np.uint8), 4).replace(
            b"K\x06\x85", b"K\x07\x85"
        ),  # more than there is
        b"",
        b".",
        b"\x80\x05",
        b"T\xff\xff\xff\x7fabc.",  # text longer than the file
        b"(((.",
        b"0.",
        b"h\x05.",
        b"]I1\nu.",
        b"}(I1\nu.",
        b"\x8a\xff\x01.",
        b"P1\n.",  # a persistent id
        b"\x97.",  # a buffer from outside
    ],
)
def test_nothing_odd_gets_through(data: bytes) -> None:
    with pytest.raises(DataError):
        restricted_pickle.loads(data, "a")


@given(
    st.binary(max_size=60) | values.map(pickle.dumps).flatmap(lambda p: st.permutations(list(p)).map(bytes))
)
@settings(deadline=None)
def test_garbage_is_one_message(data: bytes) -> None:
    try:
        restricted_pickle.loads(data, "a")
    except DataError as error:
        assert error.location == "a"


def test_depth_and_repetition_are_no_bombs() -> None:
    deep = b"]" * 200_000 + b"a" * 199_999 + b"."
    assert isinstance(restricted_pickle.loads(deep, "a"), list)
    doubled: list[Any] = []
    for _ in range(60):
        doubled = [doubled, doubled]  # 2 ** 60 items, if they were copied
    assert len(restricted_pickle.loads(pickle.dumps(doubled), "a")) == 2
    with pytest.raises(DataError, match="too many operations"):
        restricted_pickle.loads(b"(" * 1_000_010 + b".", "a")
