"""A plain list of pictures, or a single one, without answers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from oneglance.data.images.references import FileImage, is_picture
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.tables.rows import SAMPLE
from oneglance.data.parsing.text_lines import lines
from oneglance.data.source import Entry, Source
from oneglance.errors import Problem
from oneglance.storage.plain_files import is_file


class Listing(Source):
    """A ``.txt`` file with the path of a picture per line, ``#`` before a comment; or one picture file.

    Relative paths start at ``images``, which may be a zip or tar, else beside the list or in the folder
    ``images`` there, as in a table.
    """

    encoding: str = "utf-8"  # of the file

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_file(path) and (path.suffix.lower() == ".txt" or is_picture(path.name))

    def entries(self) -> Iterator[Entry | Problem]:
        if is_picture(self.path.name):
            yield self.title, FileImage(str(self.path), self.path.name), {}
            return
        sample = [name for _, name in islice(self._names(), SAMPLE)]
        find = finder(self.images, self.path, sample, exact=self.exact)
        for number, name in self._names():
            location = f"{self.title}:{number}"
            image = find(name, location)
            yield image if isinstance(image, Problem) else (location, image, {})
        yield from find.problems(self.title)

    def _names(self) -> Iterator[tuple[int, str]]:
        """The lines that name a picture, each with its number."""
        for number, line in enumerate(lines(self.path, self.encoding), 1):
            name = line.strip()
            if name and not name.startswith("#"):
                yield number, name
