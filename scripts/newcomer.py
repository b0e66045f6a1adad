"""A place as somebody new has it: a clean clone, an empty home, a terminal of 80 columns.

What pip downloaded before, and where it finds packages, is the machine's. Not here: what is done there (``run_readme``,
``run_wheel``, ``run_lowest``).
"""

import os
import subprocess
import sys
from pathlib import Path

OLDEST_MINOR = 11  # Python 3.11, of pyproject.toml
ROOT = Path(__file__).resolve().parent.parent


def clone_into(directory: Path) -> Path:
    """Return a clean clone of what is committed."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(directory)], check=True)
    return directory


def new_pip(directory: Path, variables: dict[str, str], python: str = sys.executable) -> list[str]:
    """Make a virtual environment and return how its pip is called; its programs are in ``bin``."""
    subprocess.run([python, "-m", "venv", str(directory)], env=variables, check=True)
    return [str(directory / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a shell with an empty home, which is made."""
    home.mkdir(parents=True, exist_ok=True)
    downloads = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
    sources = os.environ.get("PIP_CONFIG_FILE") or str(Path.home() / ".config" / "pip" / "pip.conf")
    kept = {key: value for key, value in os.environ.items() if key != "ACTSEARCH_CACHE" and key[:4] != "XDG_"}
    return kept | {"HOME": str(home), "COLUMNS": "80", "PIP_CACHE_DIR": downloads, "PIP_CONFIG_FILE": sources}


def newest() -> str:
    """Return the newest Python on the path or of pyenv, as a path."""
    folders = [*map(Path, os.environ.get("PATH", "").split(os.pathsep)), *Path.home().glob(".pyenv/versions/*/bin")]
    found: dict[int, str] = {}
    for folder in folders:
        for path in folder.glob("python3.*"):
            minor = path.name.removeprefix("python3.")
            if minor.isdecimal() and int(minor) >= OLDEST_MINOR and _starts(path):
                found.setdefault(int(minor), str(path))
    found.setdefault(sys.version_info.minor, str(Path(sys.executable).with_name(f"python3.{sys.version_info.minor}")))
    return found[max(found)]


def _starts(path: Path) -> bool:
    """Return whether it can make environments: pyenv's stand-ins for what is not chosen cannot."""
    command = [str(path), "-c", "import ensurepip, venv"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
