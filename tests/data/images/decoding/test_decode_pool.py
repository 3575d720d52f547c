from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.strange_refs import Broken, Chatty, Drawn, Exits, Greedy, Killed, Missing

from oneglance.data.images.decode import Canvas, Limits, canvas_of
from oneglance.data.images.decoding import decode_pool
from oneglance.data.images.decoding.decode_pool import (
    FEW,
    Decode,
    DecodeUpright,
    chunk_of,
    crashed,
    decode,
    processes,
    upright,
)
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.images.references import FileImage
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.parallel.cpus import processors
from oneglance.parallel.process_pool import ProcessPool

FIT, LIMITS = Fit(16), Limits()


def colours(results: list[Canvas | PictureError]) -> list[int | None]:
    """The number each Drawn was made from, read from its pixels."""
    return [
        int(item.pixels[FIT.height // 2, FIT.width // 2, 0]) if isinstance(item, Canvas) else None
        for item in results
    ]


def test_many_pictures_come_in_order_with_their_upright_size() -> None:
    refs = [Drawn(number, width=20 + number, height=30) for number in range(150)]
    results = list(decode(refs, FIT, LIMITS, workers=2))
    assert colours(results) == list(range(150))
    for ref, item in zip(refs, results, strict=True):
        assert isinstance(item, Canvas)
        assert (item.width, item.height) == (ref.width, ref.height)
        assert np.array_equal(item.pixels, canvas_of(ref, FIT, LIMITS).pixels)


def test_few_pictures_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_process(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    assert colours(list(decode([Drawn(n) for n in range(FEW - 1)], FIT, LIMITS, workers=2))) == list(
        range(FEW - 1)
    )
    assert colours(list(decode([Drawn(n) for n in range(200)], FIT, LIMITS, workers=1))) == list(range(200))
    assert list(decode([], FIT, LIMITS)) == []


def test_unreadable_pictures_stand_in_their_place() -> None:
    for few in (0, 64):
        results = list(decode([Drawn(1), Broken(2), Missing(3), Drawn(4)], FIT, LIMITS, workers=2, few=few))
        assert colours(results) == [1, None, None, 4]
        assert [str(item) for item in results[1:3]] == [
            "drawn:2: is not a picture",
            "drawn:3: cannot be read (No such file or directory)",
        ]


def test_a_picture_that_kills_its_process_costs_only_itself() -> None:
    refs: list[ImageRef] = [Drawn(number) for number in range(70)]
    refs[3], refs[40], refs[41] = Killed(3), Exits(40), Killed(41)
    results = list(decode(refs, FIT, LIMITS, workers=2))
    assert colours(results) == [None if number in (3, 40, 41) else number for number in range(70)]
    assert {str(results[number]) for number in (3, 40, 41)} == {
        f"drawn:{number}: makes the decoder crash" for number in (3, 40, 41)
    }


def test_what_decoders_write_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    assert colours(list(decode([Chatty(n) for n in range(3)], FIT, LIMITS, workers=2, few=0))) == [0, 1, 2]
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to the limit")
def test_a_bomb_meets_the_memory_limit_of_its_process() -> None:
    results = list(decode([Drawn(1), Greedy(2), Drawn(3)], FIT, LIMITS, workers=2, few=0))
    assert colours(results) == [1, None, 3]
    assert str(results[1]) == "drawn:2: needs more memory to decode than there is"


def test_stopping_early_ends_the_processes() -> None:
    psutil = pytest.importorskip("psutil")
    before = psutil.Process().children()  # the process that is kept, if it was needed before
    results = decode((Drawn(number) for number in range(10**9)), FIT, LIMITS, workers=2)
    assert colours([next(results)]) == [0]
    assert len(psutil.Process().children()) > len(before)
    results.close()  # type: ignore[attr-defined]
    assert psutil.Process().children() == before


def test_chunks_are_smaller_where_canvases_are_larger() -> None:
    assert [chunk_of(Fit(size)) for size in (16, 128, 4096, (64, 256))] == [64, 20, 1, 20]


def test_processes() -> None:
    assert processes(1) == 0 and processes(3) == 3
    assert 1 <= processors() <= (os.cpu_count() or 1)


def test_hostile_files_cost_only_themselves(shared: Path) -> None:
    hostile = [HostileFile(path) for path in sorted((shared / "data/own_pictures/hostile").iterdir())]
    assert len(hostile) == 20
    refs: list[ImageRef] = [ref for pair in zip(hostile, map(Drawn, range(20)), strict=True) for ref in pair]
    with ProcessPool(Decode(FIT, LIMITS), crashed, 2, chunk_of(FIT), 2_000_000_000, seconds=10) as pool:
        results = list(pool.map(refs))
    assert colours(results[1::2]) == list(range(20))
    assert all(isinstance(item, Canvas | PictureError) for item in results)


def encoded(kind: str, side: int = 40, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, kind, **options)
    return file.getvalue()


def kept() -> list[int]:
    psutil = pytest.importorskip("psutil")
    return [child.pid for child in psutil.Process().children()]


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "BMP", "PPM", "JPEG2000"])
def test_what_is_not_plain_is_decoded_by_one_process_that_is_kept(kind: str) -> None:
    decode_pool._kept.cache_clear()
    refs = [EncodedImage("a", encoded("PNG")), EncodedImage("b", encoded(kind))]
    before = kept()
    assert all(isinstance(item, Canvas) for item in decode(refs[:1], FIT, LIMITS))
    assert kept() == before, "a plain picture needs none"
    assert all(isinstance(item, Canvas) for item in decode(refs, FIT, LIMITS))
    (process,) = set(kept()) - set(before)
    assert all(isinstance(item, Canvas) for item in decode([*refs, *refs], FIT, LIMITS))
    assert set(kept()) - set(before) == {process}
    decode_pool._kept.cache_clear()
    assert kept() == before


def test_the_pixels_are_those_of_this_process() -> None:
    noise = Image.effect_noise((90, 70), 60).convert("RGB")
    for kind in ("TIFF", "BMP", "GIF"):
        file = io.BytesIO()
        noise.save(file, kind)
        ref = EncodedImage("a", file.getvalue())
        (canvas,) = decode([ref], FIT, LIMITS)
        assert isinstance(canvas, Canvas) and (canvas.width, canvas.height) == (90, 70)
        assert np.array_equal(canvas.pixels, canvas_of(ref, FIT, LIMITS).pixels)
        drawn, here = upright(ref, LIMITS, 50), DecodeUpright(LIMITS, 50)(ref)
        assert isinstance(here, np.ndarray) and np.array_equal(np.asarray(drawn), here)
        assert max(drawn.size) == 50


BOMBS = {
    "floats": lambda: encoded("TIFF", 14_100, "F", compression="tiff_deflate"),
    "16 bits": lambda: encoded("TIFF", 14_100, "I;16", compression="tiff_deflate"),
    "alpha": lambda: encoded("PNG", 14_100, "RGBA"),
    "a moving picture": lambda: encoded("GIF", 14_100, "P"),
    "black and white": lambda: encoded("TIFF", 14_100, "1", compression="group4"),
    "colours": lambda: encoded("PNG", 14_100),
    "four colours": lambda: encoded("TIFF", 14_100, "CMYK", compression="tiff_deflate"),
}


@pytest.mark.slow  # each takes some seconds to make and to decode
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to the limit")
@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_of_many_pixels_costs_neither_this_process_nor_its_own_too_much(name: str) -> None:
    """Each is of a few hundred kilobytes and of fewer pixels than are allowed."""
    program = """if True:
        import resource, sys
        from oneglance.data.images.decoding.decode_pool import decode, _kept, upright
        from oneglance.data.images.decode import Canvas, Limits
        from oneglance.data.images.letterbox import Fit
        from oneglance.data.images.memory_image import EncodedImage
        from oneglance.errors import PictureError
        ref = EncodedImage("bomb", sys.stdin.buffer.read())
        (result,) = decode([ref], Fit(224), Limits())
        assert isinstance(result, Canvas) or result.what.startswith("needs more memory"), result
        try:
            upright(ref, Limits(), 1280)
        except PictureError as error:
            assert error.what.startswith("needs more memory")
        _kept.cache_clear()
        # Its own peak, for that of getrusage begins with the one of the process that started it.
        (own,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
        print(1024 * int(own.split()[1]), 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], input=BOMBS[name](), capture_output=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    here, there = map(int, done.stdout.split())
    assert here < 200e6
    assert 30e6 < there < 1.5e9  # little where the header says enough


class HostileFile(Drawn):
    def __init__(self, path: Path) -> None:
        super().__init__(0)
        object.__setattr__(self, "path", path)

    def load(self) -> bytes:
        path: Path = self.path  # type: ignore[attr-defined]
        return path.read_bytes()


def test_files_are_decoded_by_processes_with_the_usual_limits(tmp_path: Path) -> None:
    """More than a few of them, as people have them."""
    for index in range(FEW + 6):
        Image.new("RGB", (40, 30), (index, 0, 0)).save(tmp_path / f"{index}.png")
    refs = [FileImage(str(tmp_path / f"{n}.png"), f"{n}.png") for n in range(FEW + 6)]
    results = list(decode(refs, Fit(8), Limits(), workers=2))
    assert [result for result in results if isinstance(result, PictureError)] == []
