"""What is an address, what may stand in one, and what messages show of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneglance.errors import ConfigError, Problem
from oneglance.storage.remote.addresses import address_of, below, redacted, refusal


@pytest.mark.parametrize(
    "text", ["s3://bucket/a b/c.jpg", "https://host:8000/c.jpg", "memory://c.jpg", "hf://datasets/u/r@v/c"]
)
def test_an_address_is_the_same_as_text_and_as_a_path(text: str) -> None:
    assert address_of(text) == address_of(Path(text)) == address_of(str(Path(text))) == text
    assert address_of(f"{text}/") == text
    assert refusal(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "photos/a.jpg",
        "/s3:/a",
        "a/s3://b",
        "s3",
        "ftp://host/a",
        "file:///etc/passwd",
        "c:/a",
        "zip://a::s3://b",
        "",
    ],
)
def test_all_else_is_a_path_on_this_machine(text: str) -> None:
    assert address_of(text) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://user:secret@host/a.jpg",
        "https://token@host/a.jpg",
        "s3://KEY:secret@bucket/a.jpg",
        "https://host/a.jpg?X-Amz-Signature=secret",
        "https://host/a.jpg#secret",
        "s3://bucket/../secret",
        "s3://bucket//secret",
        "s3://",
        "s3://bucket/a\0b",
    ],
)
def test_secrets_and_odd_parts_are_refused(address: str) -> None:
    assert refusal(address)
    assert "secret" not in refusal(address)


def test_messages_hold_no_secrets_and_write_addresses_as_people_do() -> None:
    text = "s3:/bucket/a.jpg and https://user:secret@host/a?sig=secret, (http:/h/b) C:/x a/b"
    assert redacted(text) == "s3://bucket/a.jpg and https://***@host/a?*** (http://h/b) C:/x a/b"
    error = ConfigError("is no", location="https://me:secret@host/c.toml", hint="see http:/h?k=secret")
    assert "secret" not in f"{error} {error.location} {error.hint}"
    assert "secret" not in str(Problem("https://me:secret@host/x", "is", "https://me:secret@host/x"))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.jpg", "s3:/b/photos/a.jpg"),
        ("./x//y/../a.jpg", "s3:/b/photos/x/a.jpg"),
        ("s3://b/photos/a.jpg", "s3:/b/photos/a.jpg"),
        ("a?b#c.jpg", "s3:/b/photos/a?b#c.jpg"),
        ("../a.jpg", None),
        ("x/../../a.jpg", None),
        ("/etc/passwd", None),
        ("s3://b/photos2/a.jpg", None),
        ("s3://b/photos/../secret.jpg", None),
        ("https://elsewhere/a.jpg", None),
        ("", None),
        ("a\0b", None),
    ],
)
def test_names_stay_below_the_folder_that_the_configuration_names(name: str, path: str | None) -> None:
    assert below("s3://b/photos", name) == path


def test_what_means_something_in_an_address_of_the_web_is_written_otherwise() -> None:
    assert below("https://h/p", "50% a?b#c.jpg") == "https:/h/p/50% a%3Fb%23c.jpg"
