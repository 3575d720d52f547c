"""Reads pickles that hold plain values, as the files of CIFAR do, without running anything that they name.

Python's own ``pickle.Unpickler`` builds the values. Two things keep it harmless. The operations are checked
before it starts: only those that build text, bytes, numbers, lists, tuples, dicts and calls, no more than a
bound, and no dict key that is costly to hash. And whatever name a pickle mentions becomes a stub of this
file: the few that a uint8 array is pickled with build such an array, every other one is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from oneglance.data.quoting import plain
from oneglance.errors import DataError

LARGEST = 400_000_000  # bytes of a file
MOST_OPERATIONS = 1_000_000  # CIFAR-100 takes a quarter of it

_DAMAGED = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ValueError,
    LookupError,
    TypeError,
    OverflowError,
)
_UINT8_STATE = ("|", None, None, None, -1, -1, 0)  # of a dtype, after its version

_TEXT = {
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_PUT, _GET = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
_SET_ITEMS = {"SETITEM", "SETITEMS", "DICT"}
_OPERATIONS = {
    *(*_TEXT, *_PUT, *_GET, *_SET_ITEMS, "PROTO", "FRAME", "STOP", "MARK", "MEMOIZE"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1"),
    *("BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "BYTEARRAY8", "EMPTY_LIST", "EMPTY_TUPLE"),
    *("EMPTY_DICT", "LIST", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "APPEND", "APPENDS"),
}


class _Refused(Exception):  # noqa: N818 - never leaves this file
    """The pickle asks for something else than a plain value."""


def loads(data: bytes, location: str) -> Any:
    """The value in a pickle of protocol 0 to 5. Python 2's text is read as Latin-1; keys are text or bytes;
    arrays are uint8.

    Raises:
        DataError: it is damaged, too large, or asks for anything but plain values.
    """
    if len(data) > LARGEST:
        raise DataError(f"is larger than {LARGEST:,} bytes", location=location)
    try:
        _check_operations(data)
        value = _Unpickler(io.BytesIO(data), fix_imports=False, encoding="latin-1").load()
        _check_values(value)
    except _Refused as refused:
        what = f"is a pickle that asks for more than plain values: {plain(str(refused))}"
        raise DataError(what, location=location, hint="use the original file of the data set") from None
    except _DAMAGED:
        raise DataError("is damaged or no pickle", location=location, hint="use the original file") from None
    return value


def _check_operations(data: bytes) -> None:
    """Refuse operations that are not needed, too many of them, and keys that are not text.

    Nothing is built yet: the stack holds whether each item is cheap to hash (text, or what a call of a stub
    gives). A key may not be a number, for numbers can be chosen to collide; nor a tuple, for deep ones crash
    the hash and tuples of equal tuples take for ever.
    """
    stack: list[bool | None] = []  # None: a mark
    memo: dict[int, bool | None] = {}
    argument: Any
    for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
        name = operation.name
        if name not in _OPERATIONS:
            raise _Refused(name)
        if count > MOST_OPERATIONS:
            raise _Refused("too many operations")
        if name in _PUT:
            if argument > MOST_OPERATIONS:  # the memo is an array as long as its largest index
                raise _Refused("a huge memo")
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in _GET:
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(None)
        else:
            items = _take(stack, operation)
            if name in _SET_ITEMS and not all(items[0::2]):
                raise _Refused("a key that is not text")
            stack += [name in _TEXT or name == "REDUCE"] * len(operation.stack_after)
    if stack:
        raise ValueError


def _take(stack: list[bool | None], operation: pickletools.OpcodeInfo) -> list[bool | None]:
    """Take what ``operation`` works on off the stack; its items, without the list or dict that gets them."""
    before = operation.stack_before
    if pickletools.markobject in before:
        mark = len(stack) - 1 - stack[::-1].index(None)
        items = stack[mark + 1 :]
        start = mark - before.index(pickletools.markobject)
    else:
        start = len(stack) - len(before)
        items = stack[start + 1 :]
    if start < 0:
        raise IndexError
    del stack[start:]
    return items


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """A stub for an allowed name; nothing is imported."""
        if (module, name) not in _STUBS:
            raise _Refused(f"{module}.{name}")
        return _Stub(f"{module}.{name}", _STUBS[module, name])


class _Stub:
    """Stands for a function or class that a pickle names. A call builds a plain value or is refused."""

    __slots__ = ("build", "name")

    def __init__(self, name: str, build: Callable[..., Any] | None) -> None:
        self.name, self.build = name, build

    def __call__(self, *arguments: Any) -> Any:
        if self.build is None:
            raise _Refused(self.name)
        return self.build(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _Refused("a state")


class _Uint8(_Stub):
    """The one data type that arrays may have."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        if type(state) is not tuple or state[1:8] != _UINT8_STATE:
            raise _Refused("a state")


class _Array(np.ndarray):
    """A uint8 array that checks the state which a pickle gives it."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, raw = state
        array = _frombuffer(raw, kind, shape, "F" if fortran is True else "C")
        if self.shape != (0,):
            raise ValueError
        state = (1, array.shape, array.dtype, fortran is True, array.tobytes("A"))
        super().__setstate__(state)  # type: ignore[arg-type]  # the stub wants numpy's own bool


def _dtype(code: Any, *_: Any) -> _Uint8:
    if type(code) is not str or code != "u1":
        raise _Refused("numbers other than uint8")
    return _Uint8("numpy.dtype", None)


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if type(kind) is not _Stub or kind.name != "numpy.ndarray":
        raise _Refused("an object of another class")
    return _Array((0,), np.uint8)  # a state follows and fills it


def _frombuffer(raw: Any, kind: Any, shape: Any, order: Any) -> _Array:
    if type(kind) is not _Uint8:
        raise _Refused("numbers other than uint8")
    if type(raw) is str:  # Python 2's bytes
        raw = raw.encode("latin-1")
    if type(raw) not in (bytes, bytearray) or type(shape) is not tuple:
        raise ValueError
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError
    array = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if order == "F" else "C")
    return array.view(_Array)


def _encode(text: Any, encoding: Any) -> bytes:
    if type(text) is not str or encoding != "latin1":
        raise _Refused("_codecs.encode")
    return text.encode("latin-1")


# The names in a pickle of bytes and arrays, as NumPy 1 and 2, Python 2 and 3 write them.
_STUBS: dict[tuple[str, str], Callable[..., Any] | None] = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): lambda: b"",
    ("builtins", "bytes"): lambda: b"",
}
_SCALARS = (type(None), bool, int, float, str, bytes, bytearray, _Array)


def _check_values(value: Any) -> None:
    """Refuse a stub that is left anywhere in ``value``, and keys that are not text."""
    todo, visited = [value], set()
    while todo:
        item = todo.pop()
        if type(item) in _SCALARS or id(item) in visited:
            continue
        visited.add(id(item))
        if type(item) is dict:
            if any(type(key) not in (str, bytes) for key in item):
                raise _Refused("a key that is not text")
            todo.extend(item.values())
        elif type(item) in (list, tuple):
            todo.extend(item)
        else:
            raise _Refused("a name")
