"""Data sets on other machines: read, checked, learned from and answered as those on this one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.user import Shell, shell  # noqa: F401
from support.web_server import WebServer, web_server

import oneglance as og
from oneglance.data.images.fetching import fetched
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import ConfigError, DataError, RunError
from oneglance.storage.plain_files import names_in
from oneglance.storage.remote import store as stores

RUN = Path(__file__).resolve().parent.parent / "support" / "run_of_0_1_0"
TINY = {"backbone.options.width": 4, "backbone.options.depth": 2, "backbone.size": 16, "training.epochs": 1}


def picture(row: int) -> bytes:
    pixels = np.random.default_rng(row).integers(0, 60, (20, 20, 3)).astype(np.uint8)
    pixels[..., row % 2] += 150
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def data_set(rows: int = 24) -> dict[str, bytes]:
    table = "image,kind\n" + "".join(f"p {row}.png,{'ab'[row % 2]}\n" for row in range(rows))
    return {"labels.csv": table.encode()} | {f"photos/p {row}.png": picture(row) for row in range(rows)}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.files.update(data_set())
        yield server


@pytest.fixture
def memory() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    for name, content in data_set().items():
        files.pipe(f"/shop/{name}", content)
    yield "memory://shop"
    files.rm("/shop", recursive=True)


@pytest.fixture(params=["web", "memory"])
def place(request: pytest.FixtureRequest) -> str:
    made = request.getfixturevalue(request.param)
    return made.address if isinstance(made, WebServer) else str(made)


def test_a_table_and_its_pictures_are_the_same_as_on_this_machine(place: str, tmp_path: Path) -> None:
    for name, content in data_set().items():
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / name).write_bytes(content)
    far, near = (
        list(open_source({"path": f"{start}/labels.csv", "images": f"{start}/photos"}, tmp_path).read())
        for start in (place, "here")
    )
    assert len(far) == 24
    for one, other in zip(far, near, strict=True):
        assert isinstance(one, Record)
        assert isinstance(other, Record)
        assert (one.location, one.answers) == (other.location, other.answers)
        assert (one.image.name, one.image.load()) == (other.image.name, other.image.load())
        assert one.image.stamp() == one.image.stamp()


def test_init_and_check(place: str) -> None:
    og.init(f"{place}/photos", f"{place}/labels.csv")
    text = Path("oneglance.toml").read_text(encoding="utf-8")
    assert f'path = "{place}/labels.csv"\nimages = "{place}/photos"\n' in text
    assert [str(problem) for problem in og.check("oneglance.toml")] == []


def test_nothing_is_fetched_that_the_configuration_does_not_name(web: WebServer) -> None:
    with web_server() as other:
        other.files["a.png"] = picture(0)
        names = ["p 0.png", f"{web.address}/photos/p 1.png", f"{other.address}/a.png", "../labels.csv"]
        web.files["labels.csv"] = "\n".join(["image,kind", *(f"{name},a" for name in names)]).encode()
        source = open_source({"path": f"{web.address}/labels.csv", "images": f"{web.address}/photos"}, Path())
        items = list(source.read())
        config = {"sources": [{"path": str(source.path), "images": str(source.images)}]}
        og.check({**config, "tasks": {"kind": {"type": "label"}}})
        assert other.asked == []
    assert [item.image.name for item in items if isinstance(item, Record)] == names[:2]
    assert all("nothing else is fetched" in str(item) for item in items[2:])
    assert {path for _, path, _ in web.asked} == {"labels.csv", "photos/p 0.png", "photos/p 1.png"}


def test_a_picture_that_does_not_come_is_named_and_never_replaced(web: WebServer, shell: Shell) -> None:  # noqa: F811
    web.fails["photos/p 1.png"] = [503] * 100
    web.cut.add("photos/p 3.png")
    rows = og.load(RUN).predict([f"{web.address}/photos/p {row}.png" for row in range(5)])
    assert [row.get("error") for row in rows] == [
        None,
        "cannot be read (the server answers 503; tried 4 times)",
        None,
        "cannot be read (the connection broke off; tried 4 times)",
        None,
    ]
    pictures = [f"{web.address}/photos/p {row}.png" for row in (0, 1)]
    assert shell("predict", str(RUN), *pictures, "--out", "answers.jsonl").code == 3


def test_a_picture_that_does_not_come_is_told_by_check(web: WebServer) -> None:
    web.fails["photos/p 1.png"] = [503] * 100
    source = {"path": f"{web.address}/labels.csv", "images": f"{web.address}/photos"}
    problems = og.check({"sources": [source], "tasks": {"kind": {"type": "label"}}})
    assert [(one.location, one.what) for one in problems if one.kind == "unreadable"] == [
        ("p 1.png", "cannot be read (the server answers 503; tried 4 times)")
    ]


def test_a_training_reads_a_store(memory: str) -> None:
    source = {"path": f"{memory}/labels.csv", "images": f"{memory}/photos"}
    config = {"sources": [source], "tasks": {"kind": {"type": "label"}}, "backbone": {"name": "small"}}
    run = og.train(config, overrides=TINY, out=f"{memory}/runs/kind")
    assert repr(run) == f"Run('{memory}/runs/kind')"
    assert [row["image"] for row in run.predict(f"{memory}/photos/*3.png")] == [
        f"{memory}/photos/p 13.png",
        f"{memory}/photos/p 23.png",
        f"{memory}/photos/p 3.png",
    ]
    kept = {path.name for path in names_in(f"{memory}/runs/kind")}
    assert kept >= {"config.toml", "weights.safetensors", "tasks.json"}
    assert not kept & {"lock", "resume.pt"}
    assert list(Path().iterdir()) == [], "nothing is left here"
    with pytest.raises(RunError, match=f"{memory}/runs/kind: holds a run already"):
        og.train(config, overrides=TINY, out=f"{memory}/runs/kind")


def test_a_table_on_this_machine_may_name_pictures_elsewhere(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,kind\np 2.png,a\n", encoding="utf-8")
    (item,) = open_source({"path": "t.csv", "images": f"{web.address}/photos"}, tmp_path).read()
    assert isinstance(item, Record)
    assert item.image.load() == picture(2)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("https://me:secret@127.0.0.1/labels.csv", "holds a name or a password"),
        ("https://127.0.0.1/labels.csv?sig=secret", "holds a query"),
        ("http://127.0.0.1:9/labels.csv", "cannot be read: cannot be reached; tried 4 times"),
        ("http://127.0.0.1:9/photos", "is a folder of the web"),
        ("memory://nothing/labels.csv", "memory://nothing/labels.csv does not exist"),
    ],
)
def test_what_a_configuration_may_not_name(path: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as refused:
        open_source({"path": path}, Path())
    assert "secret" not in str(refused.value)


def test_predict_says_what_is_wrong_with_an_address() -> None:
    for path, what in (
        ("https://me:secret@127.0.0.1/a.jpg", "holds a name or a password"),
        ("memory://nothing/a.jpg", "no such file"),
        ("http://127.0.0.1:9/photos", "is a folder of the web"),
    ):
        with pytest.raises(DataError, match=what) as refused:
            og.load(RUN).predict(path)
        assert "secret" not in str(refused.value)


def bytes_asked(web: WebServer, path: str) -> int:
    """How many bytes of parts of a file were asked for."""
    ends = (part.removeprefix("bytes=").split("-") for part in web.gets(path))
    return sum(1 + int(end) - int(start) for start, end in ends)


@pytest.fixture
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "WHOLE", 1000)
    monkeypatch.setattr(stores, "PIECE", 1000)


@pytest.mark.usefixtures("in_small_parts")
def test_a_parquet_file_is_read_in_parts(web: WebServer, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes
    cells: list[dict[str, Any]]
    cells = [{"bytes": picture(row) + noise(60_000), "path": None} for row in range(8)]
    cells += [{"bytes": None, "path": "photos/p 1.png"}, {"bytes": None, "path": str(tmp_path / "t.parquet")}]
    kinds = list("ababababab")
    pq.write_table(pa.table({"image": cells, "kind": kinds}), tmp_path / "t.parquet", row_group_size=2)
    web.files["t.parquet"] = (tmp_path / "t.parquet").read_bytes()
    far, near = (
        [item for item in open_source({"path": path}, tmp_path).read() if isinstance(item, Record)]
        for path in (f"{web.address}/t.parquet", "t.parquet")
    )
    assert [one.answers["kind"] for one in far] == [one.answers["kind"] for one in near] == kinds
    # 65,536 bytes of it are the end, as pyarrow reads it.
    assert bytes_asked(web, "t.parquet") < 65_536 + 10_000 < len(web.files["t.parquet"]) / 5
    assert [one.image.load() for one in far[:8]] == [one.image.load() for one in near[:8]]
    assert far[8].image.load() == picture(1)
    with pytest.raises(OSError, match="leaves the folder"):
        far[9].image.load()


@pytest.mark.usefixtures("in_small_parts")
def test_a_tar_is_read_in_parts(web: WebServer) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for row in range(6):
            for name, content in ((f"{row}.cls", b"%d" % row), (f"{row}.png", picture(row) + bytes(20_000))):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    web.files["train.tar"] = packed.getvalue()
    records = list(open_source({"path": f"{web.address}/train.tar"}, Path()).read())
    assert len(web.gets("train.tar")) < 60
    assert bytes_asked(web, "train.tar") < 50_000 < len(web.files["train.tar"]) / 2
    loaded = [image.load() for image in fetched(one.image for one in records if isinstance(one, Record))]
    assert loaded == [picture(row) + bytes(20_000) for row in range(6)]


@pytest.mark.parametrize("key", ["path: ", "train: "])
def test_a_file_from_elsewhere_names_no_folder_of_this_machine(
    web: WebServer, tmp_path: Path, key: str
) -> None:
    for place in ("images/train", "train"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.png").write_bytes(picture(0))
        (tmp_path / place / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    text = (
        f"names: [a]\ntrain: train\n{key}{tmp_path}\n"
        if key == "path: "
        else f"names: [a]\n{key}{tmp_path}/train\n"
    )
    (tmp_path / "data.yaml").write_text(text)
    assert pictures_of(str(tmp_path / "data.yaml")) == 1, "which a file of this machine may"
    web.files["data.yaml"] = text.encode()
    assert pictures_of(f"{web.address}/data.yaml") == 0


def pictures_of(path: str) -> int:
    try:
        return sum(isinstance(item, Record) for item in open_source({"path": path}, Path()).read())
    except DataError:
        return 0
