"""Run what leans on other libraries with the lowest versions that pyproject.toml admits, in a clean clone.

For each library that is the quick tests of what it does for us, and a whole small search; the other tests are about our
own lines, and run once, elsewhere. torch and Ray alone are those of constraints.txt: older ones would be downloads of
gigabytes. What old packages say of newer ones that they use (warnings of deprecation) is not ours. Needs git, a bare
Python and a registry.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.newcomer import ROOT, clone_into, environment, new_pip

AS_USUAL = ("torch", "ray")
LEANING = (
    "tests/test_tiny.py",  # a whole search
    "tests/test_study.py",  # pandas
    "tests/grammar/test_formulas.py",  # sympy
    "tests/evaluators/test_datasets.py",  # mnist1d, numpy
    "tests/search/test_significance.py",  # scipy
    "tests/search/test_settings.py",  # pydantic, pyyaml
    "tests/search/test_command_line.py",  # click, rich
    "tests/search/test_report.py",  # jinja2, starlette, uvicorn
    "tests/search/test_event_files.py",  # tensorboardX
    "tests/search/test_proposers.py",  # scikit-learn
)
FOR_GPUS = re.compile(r"(nvidia|cuda|triton)")  # what torch's build for GPUs needs, and this one does not


def lowest(uv: Path, scratch: Path) -> str:
    """Return constraints: the lowest version of whatever pyproject.toml names, one line each."""
    usual = {
        line.partition("==")[0]: line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    given = scratch / "given.txt"
    given.write_text("\n".join(usual[name] for name in AS_USUAL) + "\n")
    command = [str(uv), "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--resolution=lowest-direct"]
    command += ["--extra=dev", f"--override={given}", "--python", sys.executable, "pyproject.toml"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return "".join(line for line in found.splitlines(keepends=True) if not FOR_GPUS.match(line))


def main() -> int:
    """Resolve, install, test; return the exit code of the tests."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="actsearch-lowest-", ignore_cleanup_errors=True) as directory:
        scratch = Path(directory)
        clone, variables = clone_into(scratch / "clone"), environment(scratch / "home")
        tools, pip = new_pip(scratch / "tools", variables), new_pip(scratch / "venv", variables)
        subprocess.run([*tools, "install", "uv"], env=variables, check=True)
        constraints = scratch / "lowest.txt"
        constraints.write_text(lowest(scratch / "tools" / "bin" / "uv", scratch))
        wanted = ["--constraint", str(constraints), "--editable", f"{clone}[dev]"]
        subprocess.run([*pip, "install", "--no-compile", *wanted], env=variables, check=True)
        tests = ["-q", "-n2", "--dist=worksteal", "-m", "not slow and not nightly"]
        tests += ["-W", "ignore::DeprecationWarning", *LEANING]
        code = subprocess.run(
            [str(scratch / "venv" / "bin" / "pytest"), *tests], cwd=clone, env=variables, check=False
        ).returncode
    print(f"lowest versions: {'good' if code == 0 else 'FAILED'} after {(time.monotonic() - started) / 60:.1f} minutes")
    return code


if __name__ == "__main__":
    sys.exit(main())
