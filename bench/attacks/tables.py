"""Tables with damaged bytes, separators, cells and names of columns: checked, read, and looked at by init.

Whatever is damaged, a row that was left alone keeps its answers, loses them, or the file is refused: none of
its answers becomes another one.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import oneglance
from oneglance import config as configuration
from oneglance.data.dataset import load_dataset
from oneglance.progress import Screen
from oneglance.task import build_tasks

ROWS = 40
NAMES = ("image", "kind", "price", "style", "note", "size")
TASKS = {"kind": {"type": "label"}, "price": {"type": "number"}, "style": {"type": "tags"}}
SEPARATORS = {"csv": (b",", b";", b"\t", b"|"), "tsv": (b"\t",), "jsonl": (b",",)}
STRANGE: tuple[Any, ...] = (
    "", " ", "\0", "\n", "\r", "\r\n", '"', '""', 'a"b', '"a', ",", ";", "|", "\t", "sep=;", "#", "'", "\\",
    "3,5", "1.234,56", "1,234.56", "1 234", "1'234", "1.234", "1,234", "1_0", "112_05", "01", "1.0", "-0.0",
    "+1", "nan", "NaN", "inf", "-inf", "1e5", "1e999", "0x10", "\uff11\uff12", "\u0663", "9" * 400, "." * 99,
    "e" * 99, "NA", "n/a", "None", "null", "?", "-", "true", "True", "yes",
    "caf\u00e9", "cafe\u0301", "dog\u200b", "\ufeffdog", "\u202e", "\u2028", "\x85", "\x1b[31m", "\U0001f436",
    "=1+1", "@a", "C:\\data\\p01.jpg", "/etc/passwd", "../p01.jpg", "P01.JPG", "p01", "x/p01.jpg",
    "http://x/p01.jpg", "file:///p01.jpg", "p01.jpg/", ".", "..", "/", "x" * 300 + ".jpg", "x" * 140_000,
    "a|" * 5_000, "train", "image",
    0, 1, -1, 1.0, 1.5, -0.0, 1e300, 10**18, True, False, None, [], ["a", "b"], [1, "1"], [None], {"a": 1},
    {}, [[]],
)  # fmt: skip
KEYS: tuple[dict[str, Any], ...] = (
    {}, {}, {}, {}, {"decimal": ","}, {"decimal": "."}, {"rows": "tags"}, {"names": "exact"},
    {"group": "note"}, {"delimiter": ";"}, {"encoding": "utf-16"}, {"encoding": "cp1252"}, {"split": "note"},
    {"image": "note"},
)  # fmt: skip

Row = dict[str, Any]
Answers = dict[str, dict[str, Any]]  # by picture and task

_tables: list[tuple[list[Row], Answers]] = []


def prepare(folder: Path) -> None:
    random = np.random.default_rng(0)
    any_price = [round(float(random.uniform(1, 2000)), number % 4) for number in range(ROWS)]
    three_decimals = [int(thousandths) / 1000 for thousandths in random.integers(1_000, 999_999, ROWS)]
    for number in range(ROWS):  # files that differ, in a folder each for whole and for damaged tables
        for each in (folder, folder / "odd"):
            each.mkdir(exist_ok=True)
            (each / f"p{number:02}.jpg").write_bytes(b"no picture %d" % number)
    for prices in (any_price, three_decimals):
        rows = [
            {
                "image": f"p{number:02}.jpg",
                "kind": ("hat", "cap", "shoe", "bag")[number % 4],
                "price": price,
                "style": ["striped", "dotted", "plain"][: 1 + number % 3],
                "note": f"note {number}",
                "size": number + 1,
            }
            for number, price in enumerate(prices)
        ]
        tasks = build_tasks(TASKS)
        truth = {
            row["image"]: {name: task.read(as_text(row[name])) for name, task in tasks.items()}
            for row in rows
        }
        _tables.append((rows, truth))
        for kind in WRITERS:
            (folder / f"table.{kind}").write_bytes(written(kind, rows, NAMES))
            assert checked(folder, f"table.{kind}", {}, truth) == "answered"


def attempt(folder: Path, rng: np.random.Generator) -> str:
    kind = ("csv", "csv", "tsv", "jsonl", "parquet")[rng.integers(5)]
    which = int(rng.integers(len(_tables)))
    whole, truth = _tables[which]
    rows, names = [dict(row) for row in whole], list(NAMES)
    untouched = set(truth)
    how = rng.integers(4)
    if how == 0:  # cells
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(ROWS))
            untouched.discard(whole[at]["image"])
            rows[at][names[rng.integers(len(names))]] = strange(rng)
    content = written(kind, rows, names)
    if how == 1:  # names of columns
        number_of = int(rng.integers(len(names)))
        odd = as_text(strange(rng))
        names[number_of] = odd if rng.random() < 0.7 else names[rng.integers(len(names))] + odd[:20]
        content = written(kind, rows, names)
        untouched &= set() if number_of == 0 else untouched
    elif how >= 2:
        damaged = with_other_separators(content, kind, rng) if how == 2 else with_other_bytes(content, rng)
        untouched = still_there(content, damaged, kind, whole)
        content = damaged
    keys = KEYS[rng.integers(len(KEYS))]
    if which and keys.get("decimal") == ",":
        keys = {}  # a person who says so means thousands
    table = folder / "odd" / f"table.{kind}"
    table.write_bytes(content)
    try:
        return checked(folder / "odd", table.name, keys, {name: truth[name] for name in untouched})
    finally:
        table.unlink()


def checked(folder: Path, name: str, keys: dict[str, Any], untouched: Answers) -> str:
    """What becomes of a table, once its answers are compared."""
    allowed = (
        keys
        if name.endswith("csv")
        else {k: v for k, v in keys.items() if k not in ("delimiter", "encoding")}
    )
    config = {
        "sources": [{"path": str(folder / name), **allowed}],
        "tasks": TASKS,
        "cache": {"folder": str(folder / "cache")},
    }
    problems = oneglance.check(config, pictures=False, screen=Screen())
    assert all(str(problem).isprintable() for problem in problems), "a message that cannot be printed"
    json.dumps(problems.to_dict())
    try:
        oneglance.init(folder / name, out=folder / "new.toml", force=True)
        configuration.load(folder / "new.toml")
    except oneglance.OneglanceError:
        pass
    if any(problem.fatal for problem in problems):
        return "refused"
    tasks = build_tasks(TASKS)
    for record in load_dataset(configuration.load(config), list(tasks.values())).records:
        picture = Path(record.image.name.replace("\\", "/")).name
        if picture in untouched:
            for task, answer in record.answers.items():
                own = untouched[picture][task]
                # With a row per tag, a damaged row may name this picture and add to its tags.
                added = keys.get("rows") == "tags" and task == "style" and own.present <= answer.present
                assert added or answer == own, (picture, task, answer, own)
    return "answered"


def as_csv(rows: list[dict[str, Any]], names: list[str] | tuple[str, ...], separator: str = ",") -> bytes:
    lines = [names, *([as_text(row[name]) for name in NAMES] for row in rows)]
    return "".join(separator.join(cells) + "\n" for cells in lines).encode("utf-8", "surrogatepass")


def as_jsonl(rows: list[dict[str, Any]], names: list[str] | tuple[str, ...]) -> bytes:
    objects = ({new: row[old] for old, new in zip(NAMES, names, strict=True)} for row in rows)
    return "".join(json.dumps(one) + "\n" for one in objects).encode()


def as_parquet(rows: list[dict[str, Any]], names: list[str] | tuple[str, ...]) -> bytes:
    columns = [[row[name] for row in rows] for name in NAMES]
    arrays = []
    for values in columns:
        try:
            arrays.append(pa.array(values))
        except (pa.ArrowException, TypeError, OverflowError):
            arrays.append(pa.array(list(map(as_text, values))))
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=list(names)), out, write_page_checksum=True)
    return out.getvalue()


WRITERS = {
    "csv": as_csv,
    "tsv": lambda rows, names: as_csv(rows, names, "\t"),
    "jsonl": as_jsonl,
    "parquet": as_parquet,
}


def written(kind: str, rows: list[dict[str, Any]], names: list[str] | tuple[str, ...]) -> bytes:
    return WRITERS[kind](rows, names)


def as_text(value: Any) -> str:
    return "|".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def strange(rng: np.random.Generator) -> Any:
    if rng.random() < 0.2:
        return "".join(chr(int(c)) for c in rng.integers(0, 0xD800, int(rng.integers(1, 9))))
    return STRANGE[rng.integers(len(STRANGE))]


def with_other_separators(content: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """Some separators, or all of them, are others, gone, or twice; or a line says what they are."""
    if kind == "parquet":
        return with_other_bytes(content, rng)
    old = SEPARATORS[kind][0]
    new = (b";", b"\t", b"|", b"", old + old, b",", b" ", b"\n")[rng.integers(8)]
    choice = rng.random()
    if choice < 0.3:
        return content.replace(old, new)
    if choice < 0.4:
        return b"sep=" + new + b"\n" + content
    header, newline, rest = content.partition(b"\n")
    part, other = (header, newline + rest) if choice < 0.7 else (rest, header + newline)
    places = [at for at in range(len(part)) if part[at : at + 1] == old]
    for at in sorted(
        rng.choice(places, min(len(places), int(rng.integers(1, 4))), replace=False), reverse=True
    ):
        part = part[:at] + new + part[at + 1 :]
    return part + other if choice < 0.7 else other + part


def with_other_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at, size = int(rng.integers(len(data) + 1)), int(rng.integers(1, 40))
        match rng.integers(6):
            case 0:
                data[at : at + 1] = bytes(rng.integers(0, 256, 1, dtype=np.uint8))
            case 1:
                data[at:at] = bytes(rng.integers(0, 256, size, dtype=np.uint8))
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size]
            case 4:
                del data[at:]
            case 5:
                data[at:at] = as_text(strange(rng))[:200].encode("utf-8", "surrogatepass")
        data = data or bytearray(b"x")
    return bytes(data)


def still_there(content: bytes, damaged: bytes, kind: str, whole: list[Row]) -> set[str]:
    """The pictures whose rows are as they were; in a file that has no lines, all of them."""
    if kind == "parquet":
        return {row["image"] for row in whole}
    lines = set(damaged.replace(b"\r", b"\n").split(b"\n"))
    rows = zip(content.split(b"\n")[kind != "jsonl" :], whole, strict=False)
    return {row["image"] for line, row in rows if line in lines}
