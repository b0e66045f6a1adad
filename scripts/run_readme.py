"""Run every command of the READMEs as it stands, in its order, in a clean clone, as somebody new would.

All of them, the front door first, then the manuals, or those that are named. The files that they show (blocks whose
first line names one, ``# my_task.py``) are written before, then all ``bash`` blocks are given to one shell, in the
clone's directory, with an empty home and a terminal of 80 columns. Needs git, make and a bare Python. After each
command stands what it took: README's figures of cost are these.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.newcomer import clone_into, environment

FILE = re.compile(r"# (\S+\.(?:py|yaml))\n")
READMES = (
    "README.md",
    *(
        f"{room}/README.md"
        for room in ("grammar", "evaluators", "search", "search/exporting", "scripts", "configs", "tests")
    ),
)
TOOK = """awk -v t="$EPOCHREALTIME" -v b="$began" 'BEGIN { printf "(%.1f s)\\n", t - b }'"""


def blocks(text: str, language: str) -> list[str]:
    """Return what stands between the fences of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def shell_script(readmes: str) -> str:
    """Return all commands for one shell, each printed before it runs and what it took after; a failure ends it."""
    lines = ["set -eo pipefail"]
    for block in blocks(readmes, "bash"):
        for line in filter(None, block.splitlines()):
            lines += [f"printf '\\n$ %s\\n' {_quoted(line)}; began=$EPOCHREALTIME", line, TOOK]
    return "\n".join([*lines, "printf '\\nevery command of the READMEs did its job\\n'", ""])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def main() -> int:
    """Clone, write the files, run the commands; return the shell's exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("readmes", nargs="*", default=READMES, help="which of them, from the top folder")
    parser.add_argument("--python", default=sys.executable, help="which Python the clone is installed with")
    options = parser.parse_args()
    python = shutil.which(options.python) or options.python
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="actsearch-readme-", ignore_cleanup_errors=True) as scratch:
        clone = Path(scratch) / "clone"
        clone_into(clone)
        readme = "\n".join((clone / name).read_text(encoding="utf-8") for name in options.readmes)
        for block in [*blocks(readme, "python"), *blocks(readme, "yaml")]:
            if name := FILE.match(block):
                (clone / name[1]).write_text(block, encoding="utf-8")
        variables = environment(Path(scratch) / "home") | {"PYTHON": python}
        print(f"the READMEs with {python}, in {clone}", flush=True)
        script = Path(scratch) / "readme.sh"
        script.write_text(shell_script(readme), encoding="utf-8")
        code = subprocess.run(["bash", str(script)], cwd=clone, env=variables, check=False).returncode
        changed = subprocess.run(
            ["git", "status", "--short"], cwd=clone, capture_output=True, text=True, check=True
        ).stdout
    print(
        f"{'done' if code == 0 else f'FAILED with code {code}'} after {(time.monotonic() - started) / 60:.1f} minutes"
    )
    print(f"beside what git ignores there is now:\n{changed}" if changed else "nothing but what git ignores was left")
    return code


if __name__ == "__main__":
    sys.exit(main())
