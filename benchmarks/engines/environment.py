"""Makes the environment that an engine runs in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(".venv-bench")


def python_of(name: str, installs: Sequence[Sequence[str]]) -> Path:
    """The Python of an environment, which is made unless it is there.

    Args:
        name: Of its folder.
        installs: Arguments of pip, one call after the other.

    Raises:
        subprocess.CalledProcessError: A package can't be installed.
    """
    folder = (FOLDER / name).absolute()
    python, done = folder / "bin" / "python", folder / "installed.json"
    wanted = json.dumps(installs)
    if not done.is_file() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        for arguments in installs:
            subprocess.run([str(python), "-m", "pip", *arguments, "--quiet"], check=True)
        done.write_text(wanted)
    return python
