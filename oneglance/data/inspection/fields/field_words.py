"""Words in the names of fields and folders that say what these hold."""

from __future__ import annotations

from oneglance.data.parsing.layouts import MASK_FOLDERS, PICTURE_FOLDERS
from oneglance.data.record import SPLIT_NAMES


def word_set(text: str) -> frozenset[str]:
    """The words of a sentence."""
    return frozenset(text.split())


SPLIT_FIELDS = word_set("split subset part partition set fold")
CLASS_FIELDS = word_set("label labels class classes category kind type species folder target")
ORDER_FIELDS = word_set("rating grade stars stage severity quality level")
ID_FIELDS = word_set("id ids uid uuid guid hash md sha idx index key identifier")
GROUP_FIELDS = word_set(
    "item patient seller sender subject user owner person customer board product object session video clip "
    "scene case group donor author photographer device camera plot slide lot batch series sequence store "
    "house home building property apartment farm herd tree"
)
GENERIC = word_set(
    "batch part parts image images img imgs folder folders dir set sets data dataset chunk shard volume "
    "vol disc picture pictures photo photos pics dcim download archive zip section new upload uploads"
)  # what folders are called that say nothing of their pictures
PORTIONS = word_set("part parts batch batches chunk shard volume vol disc zip archive")
SAYING_NOTHING = GENERIC | SPLIT_NAMES.keys()
PLACES = SAYING_NOTHING.union(PICTURE_FOLDERS, MASK_FOLDERS)  # where data are kept, if all folders are such
COUNTING = word_set("no nr num number code name")  # "patient number" is about patients
COUNTS = word_set("count counts num nb amount quantity total")
NONE = word_set("none nothing empty")
NO_FINDING = r"no[ _-]?(finding|defect|anomaly|lesion|disease|tag|label|object|damage)s?"
AMOUNTS = word_set(
    "age ages price prices cost costs count counts amount quantity total number weight mass volume area "
    "length width height depth size distance duration"
)  # what is never below 0
BOTH_SIDES = word_set("c deg degrees celsius temperature offset change difference delta shift balance")
MONEY = word_set("eur usd gbp chf jpy")
UNITS = MONEY | word_set(
    "mm cm m km mm2 cm2 m2 mm3 cm3 m3 ml l g kg mg t lb oz px percent pct deg degrees celsius kelvin hz ms s "
    "sqft sqm sec seconds min minutes h hours days weeks months years kcal calories euro euros dollars"
)

CAMERA_FOLDER = r"\d{3}[A-Z0-9_]{5}"  # what cameras call their folders: 100CANON, 101_PANA
DATED = r"(19|20)\d\d([-_. ]?\d\d){0,5}"
DAY = r"[0-3]?\d"  # or a month
