"""The service answers as the network does."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import base64
import io
import json
import math
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.service import Running, picture, running
from support.user import trained  # noqa: F401

import oneglance
from oneglance.progress import Screen
from oneglance.serving.app import Settings
from oneglance.serving.limits import Bounds
from oneglance.serving.middleware import Access
from oneglance.serving.model_pool import open_model

RED, BLUE = picture("red"), picture("blue", (30, 90), "JPEG")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    table = tmp_path_factory.mktemp("kept") / "labels.csv"
    with running(Settings(name="clothes", corrections=table)) as started:
        yield started


def test_pictures_are_answered_in_order(service: Running) -> None:
    rows = service.predict(("a.png", RED), ("b.jpg", BLUE), ("c.png", RED)).json["pictures"]
    assert [row["image"] for row in rows] == ["a.png", "b.jpg", "c.png"]
    assert [row["answers"]["kind"]["value"] for row in rows] == ["hat", "shirt", "hat"]
    assert (rows[1]["width"], rows[1]["height"]) == (30, 90)
    assert rows[0]["answers"]["style"]["values"] == ["dotted"]
    (box,) = rows[0]["answers"]["objects"]["boxes"]
    assert box["label"] == "button"
    assert box["attributes"]["colour"]["value"] == "blue"
    assert box["box"] == [16, 8, 48, 40]  # of 64 x 48 pixels, on a canvas of 32 x 32
    assert service.predict(("a.png", RED)).json["pictures"] == rows[:1]


def test_json_gets_the_same_answer(service: Running) -> None:
    sent = {"pictures": [{"name": "a.png", "data": base64.b64encode(RED).decode()}]}
    assert service.send("/predict", sent).json == service.predict(("a.png", RED)).json


def spotted() -> str:
    """A grey picture with a red spot in its middle, as base64."""
    file = io.BytesIO()
    image = Image.new("RGB", (64, 48), (60, 60, 60))
    image.paste((255, 0, 0), (28, 20, 36, 28))
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_what_an_answer_rests_on_can_be_asked(service: Running) -> None:
    asked = {"name": "spot.png", "data": spotted(), "task": "kind"}
    reply = service.send("/explain", asked)
    assert reply.status == 200, reply
    row = reply.json
    assert {key: row[key] for key in ("image", "task", "method")} == {
        "image": "spot.png",
        "task": "kind",
        "method": "occlusion",  # this network has no gradients
    }
    assert row["answer"].startswith("hat (")
    kind, _, data = row["map"].partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as heat:
        assert heat.size == (384, 288) and heat.mode == "RGBA"
        alpha = heat.getchannel("A")
        assert alpha.getpixel((192, 144)) == alpha.getextrema()[1] == 191
        assert alpha.getpixel((10, 10)) == alpha.getpixel((370, 280)) == 0
    boxes = service.send("/explain", {**asked, "task": "objects", "answer": 0}).json
    assert boxes["answer"].startswith("button (") and boxes["box"] == [16, 8, 48, 40]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "kid"}, 'Did you mean "kind"'),
        ({"answer": 1}, "has no answer 1 to kind"),
        ({"answer": -1}, "is no number of an answer"),
        ({"answer": True}, "is no number of an answer"),
        ({"task": None}, "another form"),
        ({"data": base64.b64encode(RED[:60]).decode()}, "is cut short"),
    ],
)
def test_what_cannot_be_explained_is_refused(service: Running, change: dict[str, Any], message: str) -> None:
    asked = {"name": "a.png", "data": spotted(), "task": "kind", **change}
    assert message in service.send("/explain", asked).refused(422)


def test_an_unreadable_picture_is_named_in_its_row(service: Running) -> None:
    reply = service.predict(("a.png", RED), ("b.png", RED[:60]), ("c.png", b""))
    assert reply.status == 200
    rows = reply.json["pictures"]
    assert rows[1:] == [{"image": "b.png", "error": "is cut short"}, {"image": "c.png", "error": "is empty"}]
    assert "answers" in rows[0]
    assert service.predict(("b.png", RED[:60])).refused(422) == "b.png: is cut short"


def test_clients_at_once_share_forward_passes(service: Running) -> None:
    service.strings.pull(delay=0.05)
    try:
        with ThreadPoolExecutor(16) as clients:
            replies = list(clients.map(lambda _: service.predict(("a.png", RED)), range(48)))
        batches = service.strings.batches()
    finally:
        service.strings.pull()
    assert [reply.status for reply in replies] == [200] * 48
    assert sum(batches) == 48
    assert len(batches) < 40


def test_no_thread_keeps_the_others_waiting_for_long() -> None:
    before = sys.getswitchinterval()  # perhaps that of a service that is open for other tests
    sys.setswitchinterval(0.25)
    try:
        with running(Settings()):
            assert sys.getswitchinterval() < 0.001
        assert sys.getswitchinterval() == 0.25
    finally:
        sys.setswitchinterval(before)


def test_a_single_client_waits_for_nobody() -> None:
    with running(Settings(bounds=Bounds(wait=60))) as service:
        assert service.predict(("a.png", RED)).status == 200


def test_more_than_the_queue_holds_is_sent_away_with_a_time() -> None:
    with running(Settings(bounds=Bounds(waiting=2))) as service:
        service.strings.pull(delay=1)
        with ThreadPoolExecutor(12) as clients:
            replies = list(clients.map(lambda _: service.predict(("a.png", RED)), range(12)))
        statuses = [reply.status for reply in replies]
        assert set(statuses) == {200, 503}
        late = replies[statuses.index(503)]
        assert "waiting already" in late.refused(503)
        assert int(late.headers["retry-after"]) >= 1
        service.strings.pull()
        assert service.predict(("a.png", RED)).status == 200
        assert service.metric("pictures_inside") == 0
        assert service.predict(*[("a.png", RED)] * 3).status == 200  # alone, a request always finds room


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    with running(Settings(bounds=Bounds(seconds=2))) as service:
        service.strings.pull(delay=4)
        late = service.predict(("a.png", RED))
        assert "no answer within 2 seconds" in late.refused(503)
        assert late.headers["retry-after"] == "2"
        service.strings.pull()
        while service.predict(("a.png", RED)).status != 200:
            pass
        assert service.metric("pictures_inside") == 0


def test_a_fault_is_shown_in_the_log_only(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    service.strings.pull(fault="secret of the network")
    try:
        body = service.predict(("a.png", RED)).refused(500)
    finally:
        service.strings.pull()
    assert "secret" not in body
    assert "secret of the network" in caplog.text
    assert service.predict(("a.png", RED)).status == 200


def test_the_log_knows_no_names_and_no_pictures(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        service.predict(("secret.png", RED))
        service.ask("/secret?secret=1")
        lines: list[dict[str, object]] = []
        while not any(line["path"] == "other" for line in lines):  # written after the answer
            lines = [record.__dict__["fields"] for record in caplog.records if hasattr(record, "fields")]
    assert {"method", "path", "status", "milliseconds"} == set(lines[-1])
    assert lines[-1]["status"] == 404
    assert "secret" not in caplog.text + json.dumps(lines)


def test_the_model_is_described(service: Running) -> None:
    body = service.ask("/model").json
    assert body["name"] == "clothes"
    assert list(body["tasks"]) == ["kind", "style", "price", "objects"]
    assert body["tasks"]["objects"]["classes"] == ["button", "zip"]
    assert body["limits"]["pictures"] == 64
    assert body["corrections"] == "labels.csv"


def test_what_programs_read_names_every_path(service: Running) -> None:
    paths = service.ask("/openapi.json").json["paths"]
    assert set(paths) == {"/predict", "/explain", "/corrections", "/model", "/health", "/metrics"}
    page = service.ask("/docs").body.decode()
    for path, verbs in paths.items():
        for verb in verbs:
            assert f"<h2>{verb.upper()} {path}</h2>" in page


def test_metrics_count(service: Running) -> None:
    before = service.metric('pictures_total{result="answered"}')
    service.predict(("a.png", RED), ("b.png", RED))
    assert service.metric('pictures_total{result="answered"}') == before + 2
    assert service.metric("body_bytes") == 0
    text = service.ask("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in text.body.decode().splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0


def test_nothing_on_the_page_comes_from_elsewhere(service: Running) -> None:
    for path in ("/", "/docs", "/style.css", "/page.js"):
        reply = service.ask(path)
        assert reply.status == 200
        assert "default-src 'self'" in reply.headers["content-security-policy"]
        text = reply.body.decode().replace("http://127.0.0.1:8000/", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text


def test_a_key_is_asked_for() -> None:
    with running(Settings(access=Access(key="grün"))) as service:
        assert service.ask("/health").status == 200
        assert service.ask("/").status == 200
        for path in ("/model", "/metrics", "/nothing"):
            assert "key is missing or wrong" in service.ask(path).refused(401)
        assert service.predict(("a.png", RED)).status == 401
        wrong = {"authorization": "Bearer gr"}
        assert service.predict(("a.png", RED), headers=wrong).status == 401
        for right in ({"authorization": "Bearer grün".encode()}, {"x-api-key": "grün".encode()}):
            assert service.predict(("a.png", RED), headers=right).status == 200


def test_pages_of_other_sites_may_not_ask(service: Running) -> None:
    other = {"origin": "http://evil.example"}
    assert "other sites" in service.predict(("a.png", RED), headers=other).refused(403)
    assert service.predict(("a.png", RED), headers={"origin": "null"}).status == 403
    own = {"origin": service.url.rstrip("/")}
    assert service.predict(("a.png", RED), headers=own).status == 200
    for site in ("cross-site", "same-site"):  # a page of another port is of the same site
        there = {"sec-fetch-site": site}
        assert "other sites" in service.predict(("a.png", RED), headers=there).refused(403)
        for path in ("/model", "/metrics"):
            assert service.ask(path, headers=there).status == 403
        assert service.ask("/", headers=there).status == 200  # a link to the page
        assert service.ask("/", b"", headers=there).status == 403
    for site in ("same-origin", "none"):
        assert service.predict(("a.png", RED), headers={"sec-fetch-site": site}).status == 200
    # A name that an attacker lets point here makes his page and this service one site to a browser.
    bound = {"host": "evil.example", "origin": "http://evil.example"}
    assert "asked as localhost" in service.predict(("a.png", RED), headers=bound).refused(421)


def test_the_service_stops_when_asked_and_answers_what_is_under_way() -> None:
    replies = []
    with running() as service:
        service.strings.pull(delay=1)
        client = threading.Thread(target=lambda: replies.append(service.predict(("a.png", RED))))
        client.start()
        while not service.metric("pictures_inside"):
            pass
    client.join()
    assert [reply.status for reply in replies] == [200]


def test_an_unfamiliar_picture_is_marked_so(service: Running) -> None:
    black, white = service.predict(("a.png", picture("black")), ("b.png", picture("white"))).json["pictures"]
    assert black["unfamiliar"] == 0
    assert "unknown" not in black
    assert white["unfamiliar"] == 1
    assert white["unknown"] is True


@pytest.mark.parametrize("file", ["run", "onnx"])
def test_it_says_what_predict_says(trained: Path, tmp_path: Path, file: str) -> None:
    """Of a real run folder and of the file exported from it. Pictures may meet in other batches, in which a
    processor rounds in another order: the last digits of numbers may differ, and nothing else.
    """
    path = trained / "runs" / "a"
    if file == "onnx":
        oneglance.export(path, out=tmp_path / "model.onnx", screen=Screen())
        path = tmp_path / "model.onnx"
    pictures = sorted((trained / "scenes" / "images").iterdir())[:5]
    body = oneglance.predict(path, pictures, device="cpu", screen=Screen()).to_dict()
    with running(opener=partial(open_model, path, device="cpu")) as service:
        served = service.predict(*((str(path), path.read_bytes()) for path in pictures)).json["pictures"]
    assert [row.pop("image") for row in served]
    assert [row.pop("image") for row in body]
    assert alike(served, body), (served, body)


def alike(one: Any, other: Any) -> bool:
    """Equal, numbers to four digits behind the point."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-4)
    return bool(one == other)


def test_alike_sees_differences() -> None:
    assert alike([{"a": 0.5}], [{"a": 0.50001}])
    assert not alike([{"a": 0.5}], [{"a": 0.51}])
    assert not alike({"a": 1}, {"a": 1, "unknown": True})
    assert not alike("hat", "shirt")
