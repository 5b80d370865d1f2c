"""What weights are known by."""

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """Digest of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
