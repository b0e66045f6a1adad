"""Where a run's numbers come from: versions, machine, commit. Kept in the store beside the settings."""

import contextlib
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

_PACKAGES = ("actsearch", "torch", "numpy", "ray", "mnist1d", "scipy", "sympy")


def provenance() -> dict[str, str]:
    """Return the facts of provenance by name."""
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": json.dumps(versions),
        "machine": f"{platform.platform()} {platform.machine()}, {os.cpu_count()} cores",
        "processor": processor(),
        "commit": _commit(),
    }


def processor() -> str:
    """Return the name of the processor, which the last digits of a score depend on."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _commit() -> str:
    """Return the checkout's commit, with ``-dirty`` behind it if files were changed; else ``unknown``.

    An installed copy is no checkout: a repository around it belongs to another project.
    """
    root = Path(__file__).resolve().parents[2]
    if _git(root, "rev-parse", "--show-toplevel") != str(root):
        return "unknown"
    return _git(root, "describe", "--always", "--dirty", "--abbrev=40", "--match=") or "unknown"


def _git(root: Path, *words: str) -> str:
    """Return the output of a git command; an empty text if git cannot run."""
    try:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
