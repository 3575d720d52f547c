"""Reads pickles that hold plain values, as the files of CIFAR do, without ever running what they say.

Unpickling a file means obeying it. This reads the same operations as a list (pickletools), follows only
those that build text, bytes, numbers, lists, tuples, dicts and uint8 arrays, and refuses all others.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from oneglance.data.parsing.quoting import plain
from oneglance.errors import DataError

LARGEST = 400_000_000  # bytes of a file
MOST_OPERATIONS = 1_000_000  # CIFAR-100 takes a quarter of it

# What a pickle may name, and how it is said there by numpy 1, numpy 2, Python 2 and Python 3.
_RECONSTRUCT = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_FROM_BUFFER = {("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")}
_NDARRAY = {("numpy", "ndarray")}
_DTYPE = {("numpy", "dtype")}
_ENCODE = {("_codecs", "encode")}
_BYTES = {("__builtin__", "bytes"), ("builtins", "bytes")}
_ALLOWED = _RECONSTRUCT | _FROM_BUFFER | _NDARRAY | _DTYPE | _ENCODE | _BYTES
_UINT8_STATE = ("|", None, None, None, -1, -1, 0)  # of a dtype, after its version


class _Refused(Exception):  # noqa: N818 - never leaves this file
    """What the pickle asks for is not a plain value."""


class _Name(tuple[str, str]):
    """An allowed function, as ``(module, name)``. It is never looked up, let alone called."""

    __slots__ = ()


class _Uint8:
    """The one data type that is known."""


class _Arguments(tuple[Any, ...]):
    """A tuple that holds one of the above: no value by itself, only something to call with."""

    __slots__ = ()


class _Mark:
    """Where the items of the next list, tuple or dict begin on the stack."""


def loads(data: bytes, location: str) -> Any:
    """The value in a pickle of protocol 0 to 5. Python 2's text is read as Latin-1; keys are text or bytes.

    Raises:
        DataError: it is damaged, too large, or asks for anything but plain values.
    """
    if len(data) > LARGEST:
        raise DataError(f"is larger than {LARGEST:,} bytes", location=location)
    try:
        return _Machine().run(data)
    except _Refused as refused:
        what = f"is a pickle that asks for more than plain values: {plain(str(refused))}"
        raise DataError(what, location=location, hint="use the original file of the data set") from None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError):
        raise DataError("is damaged or no pickle", location=location, hint="use the original file") from None


class _Machine:
    """The stack of values and the memo that the operations of a pickle work on."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
            step = _STEPS.get(operation.name)
            if step is None:
                raise _Refused(operation.name)
            if count > MOST_OPERATIONS:
                raise _Refused("too many operations")
            step(self, argument)
        (value,) = self._stack
        return _value(value)

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        value = self._stack.pop()
        if type(value) is _Mark:
            raise ValueError
        return value

    def last(self, count: int) -> list[Any]:
        """Takes off the last ``count`` values."""
        return [self.pop() for _ in range(count)][::-1]

    def since_mark(self) -> list[Any]:
        """Takes off all values after the last mark, and the mark."""
        values = []
        while type(self._stack[-1]) is not _Mark:
            values.append(self._stack.pop())
        self._stack.pop()
        return values[::-1]

    def keep(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def memoize(self) -> None:
        self.keep(len(self._memo))

    def recall(self, place: int) -> None:
        self.push(self._memo[place])

    def group(self, values: list[Any]) -> None:
        bare = any(type(value) in (_Name, _Uint8, _Arguments) for value in values)
        self.push(_Arguments(values) if bare else tuple(values))

    def extend(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise ValueError
        target.extend(map(_value, values))

    def update(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict:
            raise ValueError
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Numbers can be chosen so that a dict gets slow, and deep tuples crash it.
            if type(key) not in (str, bytes):
                raise _Refused("a key that is not text")
            target[key] = _value(value)

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        self.push(_Name((module, name)))

    def call(self) -> None:
        function, arguments = self.last(2)
        if type(function) is not _Name or not isinstance(arguments, tuple):
            raise _Refused("a call")
        self.push(_called(function, arguments))

    def build(self) -> None:
        state, target = self.pop(), self._stack[-1]
        if not isinstance(state, tuple):
            raise _Refused("a state")
        if type(target) is np.ndarray:
            _fill(target, state)
        elif type(target) is not _Uint8 or state[1:8] != _UINT8_STATE:
            raise _Refused("a state")


def _value(value: Any) -> Any:
    """``value``, unless it is something that only a call may use."""
    if type(value) in (_Name, _Uint8, _Arguments, _Mark):
        raise _Refused("a name")
    return value


def _called(function: _Name, arguments: tuple[Any, ...]) -> Any:
    """What the call would give."""
    first = arguments[0] if arguments else None
    if function in _DTYPE and type(first) is str and first == "u1":
        return _Uint8()
    if function in _RECONSTRUCT and type(first) is _Name and first in _NDARRAY:
        return np.empty(0, np.uint8)  # a state follows and fills it
    if function in _FROM_BUFFER:
        raw, kind, shape, order = arguments
        return _array(raw, kind, shape, order == "F")
    if function in _ENCODE and type(first) is str and arguments[1:] == ("latin1",):
        return first.encode("latin-1")
    if function in _BYTES and not arguments:
        return b""
    raise _Refused(".".join(function))


def _fill(target: np.ndarray, state: tuple[Any, ...]) -> None:
    _, shape, kind, fortran, raw = state
    array = _array(raw, kind, shape, fortran is True)
    if target.shape != (0,):
        raise ValueError
    # The memo knows this very array, so it must be filled, not replaced; all that goes in was looked at.
    state = (1, array.shape, array.dtype, fortran is True, array.tobytes("A"))
    target.__setstate__(state)  # type: ignore[arg-type]  # the stub wants numpy's own bool


def _array(raw: Any, kind: Any, shape: Any, fortran: bool) -> np.ndarray:
    if type(kind) is not _Uint8:
        raise _Refused("numbers other than uint8")
    if type(raw) is str:  # Python 2's bytes
        raw = raw.encode("latin-1")
    if type(raw) not in (bytes, bytearray) or type(shape) is not tuple:
        raise ValueError
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")


_Step = Callable[[_Machine, Any], None]
_LITERALS = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
_STEPS: dict[str, _Step] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys(_LITERALS, lambda machine, value: machine.push(value)),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MARK": lambda machine, _: machine.push(_Mark()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "TUPLE1": lambda machine, _: machine.group(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.group(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.group(machine.last(3)),
    "TUPLE": lambda machine, _: machine.group(machine.since_mark()),
    "LIST": lambda machine, _: _filled(machine, [], machine.since_mark()),
    "DICT": lambda machine, _: _filled(machine, {}, machine.since_mark()),
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda machine, place: machine.keep(place)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.recall(place)),
    "MEMOIZE": lambda machine, _: machine.memoize(),
    "GLOBAL": lambda machine, said: machine.name(*said.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.last(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}


def _filled(machine: _Machine, empty: list[Any] | dict[Any, Any], values: list[Any]) -> None:
    machine.push(empty)
    machine.extend(values) if type(empty) is list else machine.update(values)
