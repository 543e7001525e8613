"""Where the files of the book lie."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


class BookError(Exception):
    """A fault of the book; the message says where it is and how to mend it."""


@dataclass(frozen=True)
class Layout:
    """Folders of one book, all below `root`."""

    root: Path

    @property
    def book(self):
        """Sources: chapters (`NN_name.py`), their notebooks, plain pages (`.md`) and assets."""
        return self.root / "book"

    @property
    def build(self):
        """Everything made from the sources; `make clean` removes it."""
        return self.root / "build"

    @property
    def executed(self):
        """Notebooks with outputs, each beside the key of what it was run from."""
        return self.build / "executed"

    @property
    def work(self):
        """Copies of the notebooks to write in; git ignores them, and nothing removes or overwrites them."""
        return self.root / "work"

    def chapters(self):
        """Sources of the chapters in reading order."""
        return sorted(path for path in self.book.glob("*.py") if re.match(r"\d\d_\w+$", path.stem))

    def name_of(self, path):
        """Path below `root`, with forward slashes, for messages."""
        return path.relative_to(self.root).as_posix()


def hash_files(root, paths):
    """Hash of the names (below `root`) and contents of files, in an order that does not depend on the system."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def files_below(folder):
    """Files of a folder tree, without bytecode and hidden files."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    ]
