"""A server on this machine that speaks S3: tables, pictures, archives and runs go to and from it."""

from __future__ import annotations

import io
import logging
import tarfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import oneglance as og
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.storage.plain_files import exists, is_folder, names_in, plain_stat, read_part, read_plain
from oneglance.storage.remote import store as stores

moto = pytest.importorskip("moto.server", reason="its server is made of flask")
RUN = Path(__file__).resolve().parents[2] / "support" / "run_of_0_1_0"
PICTURE = RUN.parent / "picture_of_0_1_0.png"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def files(
    server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[fsspec.AbstractFileSystem]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    monkeypatch.chdir(tmp_path)
    stores._store.cache_clear()
    made = fsspec.filesystem("s3", skip_instance_cache=True)
    made.mkdir("shop")
    picture = PICTURE.read_bytes()
    made.pipe({f"shop/photos/a {row}.png": picture for row in range(3)})
    made.pipe("shop/labels.csv", b"image,kind\na 0.png,x\na 1.png,y\na 2.png,x\nnone.png,y\n")
    yield made
    made.rm("shop", recursive=True)
    stores._store.cache_clear()


def test_files_and_folders(files: fsspec.AbstractFileSystem) -> None:
    path = "s3://shop/photos/a 0.png"
    picture = PICTURE.read_bytes()
    assert read_plain(path, 1_000_000) == picture
    assert read_part(path, 10, 7) == picture[10:17]
    assert read_part(path, len(picture), 7) == b""
    assert plain_stat(path).size == len(picture)
    assert is_folder("s3://shop/photos")
    assert names_in("s3://shop") == [Path("s3://shop/labels.csv"), Path("s3://shop/photos")]
    assert not exists("s3://shop/none.png")
    assert not exists("s3://no-such-bucket/none.png")


def test_a_data_set(files: fsspec.AbstractFileSystem) -> None:
    source = {"path": "s3://shop/labels.csv", "images": "s3://shop/photos"}
    problems = og.check({"sources": [source], "tasks": {"kind": {"type": "label"}}}, pictures=False)
    assert [one.location for one in problems if one.kind == "picture not there"] == ["labels.csv:5"]
    rows = og.load(RUN).predict("s3://shop/photos")
    assert [row["image"] for row in rows] == [f"s3://shop/photos/a {row}.png" for row in range(3)]
    assert len(og.load(RUN).predict("s3://shop/photos/a*[12].png")) == 2


def test_a_tar(files: fsspec.AbstractFileSystem) -> None:
    packed, picture = io.BytesIO(), PICTURE.read_bytes()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (
            ("a.png", PICTURE.read_bytes()),
            ("a.cls", b"3"),
            ("b.png", PICTURE.read_bytes()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    files.pipe("shop/shards/train-0000.tar", packed.getvalue())
    first, second = open_source({"path": "s3://shop/shards"}, Path()).read()
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (first.answers, first.image.load()) == ({"cls": "3", "split": "train"}, picture)
    assert second.image.load() == picture


def test_a_run(files: fsspec.AbstractFileSystem) -> None:
    files.put(str(RUN), "shop/runs/old", recursive=True)
    run = og.Run("s3://shop/runs/old")
    here = og.load(RUN).predict(PICTURE)[0]
    answer = run.predict("s3://shop/photos/a 0.png")[0]
    assert answer["answers"] == here["answers"]
    run.predict([PICTURE, PICTURE], out="s3://shop/out/answers.csv")
    assert files.cat("shop/out/answers.csv").count(b"\n") == 3


def test_who_asks_without_credentials_is_told_so(
    files: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    stores._store.cache_clear()
    with pytest.raises(PermissionError, match="no credentials are found"):
        read_plain("s3://shop/labels.csv", 100)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    stores._store.cache_clear()
    with pytest.raises(OSError, match="cannot be reached; tried 4 times"):
        read_plain("s3://shop/labels.csv", 100)
