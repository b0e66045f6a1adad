"""A place as somebody new has it: a clean clone, an empty home, a terminal of 80 columns.

What pip downloaded before, and where it finds packages, is the machine's. Not here: what is done there (``run_readme``,
``run_wheel``, ``run_lowest``).
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def clone_into(directory: Path) -> Path:
    """Return a clean clone of what is committed."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(directory)], check=True)
    return directory


def new_pip(directory: Path, variables: dict[str, str]) -> list[str]:
    """Make a virtual environment and return how its pip is called; its programs are in ``bin``."""
    subprocess.run([sys.executable, "-m", "venv", str(directory)], env=variables, check=True)
    return [str(directory / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a shell with an empty home, which is made."""
    home.mkdir(parents=True, exist_ok=True)
    downloads = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
    sources = os.environ.get("PIP_CONFIG_FILE") or str(Path.home() / ".config" / "pip" / "pip.conf")
    kept = {key: value for key, value in os.environ.items() if key != "ACTSEARCH_CACHE" and key[:4] != "XDG_"}
    return kept | {"HOME": str(home), "COLUMNS": "80", "PIP_CACHE_DIR": downloads, "PIP_CONFIG_FILE": sources}
