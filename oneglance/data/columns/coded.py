"""A column of values that come again and again: each value once, and a number for each row."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa

MISSING = -1
WIDER = {2**7 + 1: "h", 2**15 + 1: "i"}  # number of values -> typecode of codes, which begin as "b"
AT_ONCE = 65_536  # rows that are made at once where all are gone through


class Coded(Sequence[Any]):
    """A sequence of values, None where one is missing. Equal values of several rows are one object.

    Args:
        codes: whole numbers [n] of any dtype with a sign, the place of each row's value in ``values``; -1:
            missing.
        values: there may be some that no row has, and equal ones twice.
    """

    __slots__ = ("codes", "values")

    def __init__(self, codes: np.ndarray, values: Sequence[Any]) -> None:
        self.codes, self.values = codes, values

    @classmethod
    def of(cls, items: Iterable[Any]) -> Coded:
        """The column of some values. Those of one type that are equal become one."""
        coder = Coder()
        for item in items:
            coder.append(item)
        return coder.column()

    @classmethod
    def missing(cls, count: int) -> Coded:
        """So many rows without a value."""
        return cls(np.broadcast_to(np.int8(MISSING), count), ())

    @classmethod
    def constant(cls, value: Any, count: int) -> Coded:
        """So many rows with one value."""
        return cls(np.broadcast_to(np.int8(0), count), [value])

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, row: int) -> Any: ...
    @overload
    def __getitem__(self, row: slice) -> Coded: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return Coded(self.codes[row], self.values)
        code = self.codes[row]
        return None if code < 0 else self.values[code]

    def __iter__(self) -> Iterator[Any]:
        values = self.values
        for start in range(0, len(self), AT_ONCE):
            for code in self.codes[start : start + AT_ONCE].tolist():
                yield None if code < 0 else values[code]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: np.ndarray) -> Coded:
        """The column of some rows: int64 [k], or bool [n]."""
        return Coded(self.codes[rows], self.values)

    @property
    def known(self) -> np.ndarray:
        """bool [n]: which rows have a value."""
        known: np.ndarray = self.codes >= 0
        return known

    def rows_of(self, value: Any) -> np.ndarray:
        """bool [n]: which rows have this value."""
        chosen = np.array([*(one == value for one in self.values), False], dtype=bool)
        rows: np.ndarray = chosen[self.codes]  # MISSING is the last one
        return rows

    def appearing(self) -> Coded:
        """The same without the values that no row has, the others in the order of their first rows."""
        first = _first_rows(self.codes, len(self.values))
        order = np.argsort(first, kind="stable")[: int((first < len(self)).sum())]
        codes = np.full(len(self.values) + 1, MISSING, dtype=_smallest(len(order)))
        codes[order] = np.arange(len(order))
        return Coded(codes[self.codes], [self.values[place] for place in order.tolist()])

    def counts(self) -> np.ndarray:
        """int64: in how many rows each of ``values`` is."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    def counter(self) -> Counter[Any]:
        """In how many rows each value is, in the order of the first rows."""
        column, counter = self.appearing(), Counter[Any]()
        for value, count in zip(column.values, column.counts().tolist(), strict=True):
            counter[value] += count
        return counter

    def mapped(self, change: Callable[[Any], Any]) -> Coded:
        """The column of what ``change`` makes of the values, missing where that is None. It is asked for each
        value once, in the order of the first rows.
        """
        column = self.appearing()
        coder = Coder()
        for value in column.values:
            coder.append(change(value))
        changed = coder.column()
        codes = np.full(len(changed) + 1, MISSING, dtype=changed.codes.dtype)
        codes[:-1] = changed.codes
        return Coded(codes[column.codes], changed.values)

    def changed(self, rows: Sequence[int], values: Sequence[Any]) -> Coded:
        """The same with other values in some rows."""
        if not len(rows):
            return self
        coder = Coder()
        for value in values:
            coder.append(value)
        fresh = coder.column()
        both = [*self.values, *fresh.values]
        codes = self.codes.astype(_smallest(len(both)))
        codes[np.asarray(rows)] = np.where(
            fresh.known, fresh.codes.astype(np.int64) + len(self.values), MISSING
        )
        return Coded(codes, both)


class Coder:
    """Makes a ``Coded`` value by value.

    Args:
        most: distinct values that are looked for; further ones each have a place of their own.
    """

    def __init__(self, most: int = 2**31) -> None:
        self._codes, self._values = array("b"), list[Any]()
        self._index: dict[type, dict[Hashable, int]] = defaultdict(dict)
        self._most = most
        self.put = self._codes.append  # a code, where it is known

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, value: Any) -> int:
        """The code of a value, for ``put``."""
        if value is None:
            return MISSING
        index = self._index[type(value)]
        try:
            code = index.get(value)
        except TypeError:  # a list is no key
            return self._add(value)
        if code is None:
            code = self._add(value)
            if len(index) < self._most:
                index[value] = code
        return code

    def append(self, value: Any) -> None:
        """One more row."""
        code = self.code(value)  # first: it may make room for larger ones
        self.put(code)

    def extend(self, column: Coded) -> None:
        """The rows of another column."""
        codes = np.array([*map(self.code, column.values), MISSING], dtype=np.int32)
        self.put_all(codes[column.codes])

    def put_all(self, codes: np.ndarray) -> None:
        """Codes, where they are known."""
        self._codes.frombytes(codes.astype(self._codes.typecode).tobytes())

    def column(self) -> Coded:
        """All rows so far."""
        kind = self._codes.typecode
        codes = np.frombuffer(self._codes, dtype=kind) if self._codes else np.zeros(0, dtype=kind)
        return Coded(codes, self._values)

    def _add(self, value: Any) -> int:
        self._values.append(value)
        wider = WIDER.get(len(self._values))
        if wider:
            self._codes = array(wider, self._codes)
            self.put = self._codes.append
        return len(self._values) - 1


def coded(items: Iterable[Any]) -> Coded:
    """Some values as a column; what is one already stays as it is."""
    return items if isinstance(items, Coded) else Coded.of(items)


def labelled(answers: Sequence[Any | None]) -> Sequence[Any]:
    """The answers that are known."""
    if isinstance(answers, Coded):
        return answers if answers.known.all() else answers.take(answers.known)
    return [answer for answer in answers if answer is not None]


def numbers(answers: Sequence[float | None]) -> np.ndarray:
    """float64 [n]: answers that are numbers; NaN where one is unknown."""
    if isinstance(answers, Coded):
        return np.array([*answers.values, np.nan], dtype=np.float64)[answers.codes]  # MISSING is the last
    return np.array([np.nan if answer is None else answer for answer in answers], dtype=np.float64)


def together(columns: Sequence[Coded], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that have the same values in all of ``columns`` are one kind.

    Args:
        count: of rows.

    Returns:
        whole numbers [n], the kind of each row, counted from 0 in the order of their first rows; and int64,
        the first row of each kind.
    """
    kind, kinds = np.zeros(count, dtype=np.int8), min(count, 1)
    for column in columns:
        width = len(column.values) + 1
        pair = kind.astype(_smallest(kinds * width + 1))
        pair *= width
        pair += column.codes
        pair += 1
        kind = _in_order(pair, kinds * width)
        kinds = int(kind.max(initial=-1)) + 1
    return kind, _first_rows(kind, kinds)


def _in_order(codes: np.ndarray, count: int) -> np.ndarray:
    """Codes below ``count``, none of them missing, numbered anew in the order of their first rows."""
    if count <= max(len(codes), AT_ONCE):
        return Coded(codes, range(count)).appearing().codes
    # By hashing, which takes less memory than a table of them, and less time than to sort.
    in_order: np.ndarray = pa.array(codes).dictionary_encode().indices.to_numpy()
    return in_order


def _first_rows(codes: np.ndarray, count: int) -> np.ndarray:
    """int64 [count]: the first row that has each code; where none has it, the number of all rows."""
    first = np.full(count + 1, len(codes), dtype=np.int64)  # the last one is that of MISSING
    for start in reversed(range(0, len(codes), AT_ONCE)):
        some = codes[start : start + AT_ONCE]
        rows = np.arange(start, start + len(some))
        first[some[::-1]] = rows[::-1]  # of several rows the one written last stays: the first
    return first[:-1]


def _smallest(count: int) -> np.dtype[Any]:
    """The smallest dtype for the codes of so many values."""
    return np.min_scalar_type(-max(1, count))
