"""A Python session: runs the code blocks that come in, and returns what each one prints.

One process for all blocks of a page, so that its models load once and its names stay.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from typing import Any


def main() -> None:
    """Run each line of standard input, which holds one block as JSON."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for line in sys.stdin:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(json.loads(line), "<block>", "exec"), names)
        sys.stdout.write(json.dumps(printed.getvalue()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
