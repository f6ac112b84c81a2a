"""What is wrong with a document: each mistake with its file, its line and its key."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

from inferometer.outside import cut, spelt, without_secrets

MOST_LISTED = 20  # mistakes of a document; the rest is counted
LONGEST_KEY = 100  # characters of a key that a path shows


@dataclass(frozen=True)
class Mistake:
    """One mistake: the path of the key to blame, and what is wrong, as "must be a number".

    `document` is the name of the file; the body of a request has none. `path` is empty where the
    document as such is wrong, `line` is None where there are no lines.
    """

    path: str
    problem: str
    line: int | None = None
    document: str = ""

    def __str__(self) -> str:
        """One printable line: "FILE:LINE: KEY: PROBLEM"; in a body without a name "KEY PROBLEM"."""
        if self.document:
            place = f"{self.document}:{self.line}" if self.line else self.document
            text = ": ".join(filter(None, (place, self.path, self.problem)))
        else:
            text = f"{self.path or 'the body'} {self.problem}"
        return spelt(without_secrets(text))


class DocumentError(ValueError):
    """All mistakes of a document; as text, a line for each of them.

    `more` is the number of mistakes beyond those that are listed.
    """

    def __init__(self, *mistakes: Mistake, more: int = 0) -> None:
        super().__init__(*mistakes)
        self.mistakes, self.more = mistakes, more

    def __str__(self) -> str:
        """A printable line for each mistake."""
        lines = [str(mistake) for mistake in self.mistakes]
        if self.more:
            rest = f"has {self.more} more mistake{'s' if self.more > 1 else ''}"
            lines.append(str(Mistake("", rest, document=self.mistakes[0].document)))
        return "\n".join(lines)

    @property
    def line(self) -> str:
        """All of it in one line, as an answer over HTTP."""
        return "; ".join(str(self).splitlines())

    def placed(self, document: Document) -> Self:
        """The same mistakes as those of a document, with its name and the lines of its keys."""
        return type(self)(*(mistake if mistake.document else dataclasses.replace(
            mistake, document=document.name, line=mistake.line or document.line(mistake.path))
            for mistake in self.mistakes), more=self.more)


class Document:
    """What is known of a document beside its values: its name, the lines of its keys, its mistakes.

    `json` is for bodies of requests: null is no empty mapping, and text is quoted as in JSON.
    `texts` is for files whose scalars are left as text; those may be secret, so no message
    repeats them.
    """

    def __init__(self, name: str = "", *, json: bool = False, texts: bool = False) -> None:
        self.name, self.json, self.texts = name, json, texts
        self.lines: dict[str, int] = {}
        self._mistakes: list[Mistake] = []
        self._blamed: set[str] = set()
        self._more = 0

    def report(self, path: str, problem: str, line: int | None = None) -> None:
        """Keep a mistake; its line is that of the path unless another one is given."""
        self._blamed.add(path)
        if len(self._mistakes) == MOST_LISTED:
            self._more += 1
            return
        self._mistakes.append(Mistake(path, problem, line or self.line(path), self.name))

    def report_all(self, path: str, error: DocumentError) -> None:
        """Keep the mistakes of another document, as mistakes of the key that names it here."""
        for mistake in error.mistakes:
            self.report(path, str(mistake))
        self._more += error.more

    def line(self, path: str) -> int | None:
        """The line of a key, or of the nearest key above it; None where there are no lines."""
        while path and path not in self.lines:
            path = path[:max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path)

    def good(self, *paths: str) -> bool:
        """Whether there is no mistake in these keys, nor in any below them."""
        return not any(blamed == path or blamed.startswith((f"{path}.", f"{path}["))
                       for path in paths for blamed in self._blamed)

    def error(self, kind: type[DocumentError] = DocumentError) -> DocumentError | None:
        """All mistakes in the order of their lines; None if there are none."""
        if not self._mistakes:
            return None
        return kind(*sorted(self._mistakes, key=lambda mistake: mistake.line or 0),
                    more=self._more)

    def finish(self, kind: type[DocumentError] = DocumentError) -> None:
        """Raise all mistakes, if there are any."""
        if error := self.error(kind):
            raise error


def join(path: str, key: str | int) -> str:
    """The path of a key or an item below a path, without the secrets of a URL."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    key = cut(without_secrets(key), LONGEST_KEY + 1)
    return f"{path}.{key}" if path else key
