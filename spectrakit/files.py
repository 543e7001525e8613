"""How is a file or a folder written whole or not at all?"""

import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path):
    """A path to write to, which takes the place of `path` when the block ends without an error."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
