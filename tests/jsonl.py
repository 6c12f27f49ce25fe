"""Files of JSON lines, while another process writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of the file's complete lines, none if there is no file.

    The last line may be in the middle of being written, and end there as a whole one would.
    """
    written = path.read_bytes() if path.exists() else b""
    for line in written.split(b"\n")[:-1]:
        if line.startswith(b"{"):
            yield json.loads(line)
