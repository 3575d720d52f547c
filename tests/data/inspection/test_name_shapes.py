"""Which names of pictures hold answers, and which are only names."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Callable

import pytest

from oneglance.data.inspection.name_shapes import propose

KINDS = ("hat", "cap", "shoe")
BREEDS = ("Abyssinian", "american_pit_bull", "boxer", "great_dane", "pug")
LETTERS = str.maketrans("0123456789", "ghijklmnop")
draw = random.Random(4)


def drawn(*choices: object) -> object:
    return draw.choice(choices)


def face(n: int) -> str:
    age, gender, race = draw.randint(1, 90), drawn(0, 1), draw.randint(0, 4)
    return f"{age}_{gender}_{race}_201701{10 + n % 20}{153053000 + n}.jpg.chip.jpg"


def digest(n: int) -> str:
    return hashlib.md5(str(n).encode(), usedforsecurity=False).hexdigest()


ANSWERS: dict[str, tuple[Callable[[int], str], int, str]] = {
    "faces": (face, 300, "{name1}_{name2}_{name3}_{#}.jpg.chip"),
    "faces without more": (
        lambda n: f"{20 + n * 7 % 31}_{n % 2}_{n % 5}_2017.jpg",
        200,
        "{name1}_{name2}_{name3}_2017",
    ),
    "counted": (lambda n: f"{('cat', 'dog')[n % 2]}.{n // 2}.jpg", 60, "{name1}.{#}"),
    "with its key": (lambda n: f"IMG_kind-{KINDS[n % 3]}_{n:03}.png", 30, "IMG_kind-{kind}_{#}"),
    "breeds": (lambda n: f"{BREEDS[n % 5]}_{n // 5 + 1}.jpg", 100, "{name1}_{#}"),
    "two words always": (
        lambda n: f"{('great_dane', 'shih_tzu', 'saint_bernard')[n % 3]}_{n}.jpg",
        60,
        "{name1}_{#}",
    ),
    "colour and kind": (
        lambda n: f"{drawn('red', 'blue')}_{drawn(*KINDS)}_{n}.jpg",
        60,
        "{name1}_{name2}_{#}",
    ),
    "nothing between": (lambda n: f"{KINDS[n % 3]}{n}.jpg", 60, "{name1}{#}"),
    "in parentheses": (lambda n: f"{KINDS[n % 3]} ({n}).jpg", 60, "{name1} ({#})"),
    "number first": (lambda n: f"{n:05}-{KINDS[n % 3]}.jpg", 60, "{#}-{name1}"),
    "keys and numbers": (
        lambda n: f"age{draw.randint(3, 60)}_sex={drawn('m', 'f')}_{n}.png",
        200,
        "age{age}_sex={sex}_{#}",
    ),
    "a date before it": (
        lambda n: f"2021-03-{n % 28 + 1:02}_{KINDS[n % 3]}_{n}.jpg",
        60,
        "2021-03-{#}_{name1}_{#}",
    ),
    "a name of its own": (lambda n: f"{uuid.UUID(int=n * 7919 << 64)}_{KINDS[n % 3]}.jpg", 60, "{_}_{name1}"),
    "with a patient": (
        lambda n: f"patient{n // 6}_{KINDS[n % 3]}_{n}.jpg",
        60,
        "patient{patient}_{name1}_{#}",
    ),
    "pictures of each thing": (
        lambda n: f"{n // 3 + 1}_{('kitchen', 'bedroom', 'front')[n % 3]}.jpg",
        90,
        "{item}_{name1}",
    ),
    "with its part": (
        lambda n: f"{('train', 'test')[n % 4 == 0]}_{KINDS[n % 3]}_{n}.jpg",
        60,
        "{split}_{name1}_{#}",
    ),
    "a few strangers": (lambda n: "cover.jpg" if n == 7 else f"{KINDS[n % 3]}_{n}.jpg", 60, "{name1}_{#}"),
    "braces": (lambda n: f"{{{KINDS[n % 3]}}}_{n}.jpg", 60, "{{{name1}}}_{#}"),
}

NAMES: dict[str, Callable[[int], str]] = {
    "camera": lambda n: f"IMG_{1000 + n}.jpg",
    "two cameras": lambda n: f"{('IMG', 'DSC')[n % 2]}_{1000 + n}.JPG",
    "camera without gap": lambda n: f"DSC{n:05}.jpg",
    "telephone": lambda n: f"IMG_20210{n % 9 + 1}04_1011{n % 60:02}.jpg",
    "WhatsApp": lambda n: (
        f"WhatsApp Image 2021-05-{n % 28 + 1:02} at 10.{n % 60:02}.{n * 7 % 60:02} ({n % 3}).jpeg"
    ),
    "WhatsApp on Android": lambda n: f"IMG-202105{n % 28 + 1:02}-WA{n % 20:04}.jpg",
    "screenshots": lambda n: (
        f"Screenshot 2021-03-{n % 28 + 1:02} at {n % 12}.11.{n % 60:02} {('AM', 'PM')[n % 2]}.png"
    ),
    "dates": lambda n: f"2021-0{n % 9 + 1}-{n % 28 + 1:02}.jpg",
    "days first": lambda n: f"{n % 28 + 1:02}.0{n % 9 + 1}.20{n % 3 + 18}.jpg",
    "dates and times": lambda n: f"2021{n % 12 + 1:02}{n % 28 + 1:02}_{n % 24:02}{n % 60:02}00.jpg",
    "UUIDs": lambda n: str(uuid.UUID(int=draw.getrandbits(128), version=4)) + ".jpg",
    "hashes": lambda n: digest(n) + ".jpg",
    "short hashes": lambda n: f"{1000268201 + n * 31}_{digest(n)[:10]}.jpg",
    "Facebook": lambda n: f"{12345678 + n}_{10123455555 + n * 3}_{('n', 'o')[n % 2]}.jpg",
    "frames": lambda n: f"frame_{n:06}.png",
    "frames of videos": lambda n: f"video{n // 20}_frame{n % 20}.png",
    "tiles": lambda n: f"tile_{n // 10}_{n % 10}.png",
    "numbers": lambda n: f"{n}.png",
    "pairs of numbers": lambda n: f"{n // 10}_{n % 10}.png",
    "copies": lambda n: f"{n // 2}_{('small', 'large')[n % 2]}.png",
    "words": lambda n: digest(n).translate(LETTERS) + ".png",
    "one word": lambda n: f"holiday {n}.png",
    "parts alone": lambda n: f"{('train', 'test')[n % 2]}_{n}.png",
    "mixed": lambda n: (f"IMG_{n}.jpg", f"hat_{n}.jpg", f"2021-03-04 {n}.jpg")[n % 3],
}


@pytest.mark.parametrize("case", ANSWERS)
def test_parts_that_come_again_are_answers(case: str) -> None:
    draw.seed(4)
    name, count, expected = ANSWERS[case]
    pattern, example = propose([f"photos/{name(n)}" for n in range(count)])
    assert pattern == expected
    assert example and "/" not in example


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("count", [40, 400])
def test_names_that_are_only_names_are_none(case: str, count: int) -> None:
    draw.seed(4)
    assert propose([NAMES[case](n) for n in range(count)]) == ("", "")


def test_few_names_tell_nothing() -> None:
    assert propose([f"{KINDS[n % 2]}_{n}.jpg" for n in range(7)]) == ("", "")
    assert propose([]) == ("", "")
