"""Build a wheel, install it into an empty environment, and do the jobs there, far from any checkout.

A search with a tiny budget, ``top``, ``describe``, ``export``, and the benchmark table, which must come with the
package. Needs git and a bare Python. With --newest, the newest Python that is to be had is used.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.newcomer import clone_into, environment, new_pip, newest

ROOM = 10e9  # bytes: of some Pythons there is torch with everything for GPUs alone
JOBS = """set -eo pipefail
actsearch --version
actsearch settings > quick.yaml
actsearch search quick.yaml --set budget.children=6 --set "ladder=[]" --set final.top=2 --set final.seeds=2 --set final.steps=20 --set task.steps=20 --set "transfer=[]"
actsearch top runs/quick -n 3
actsearch describe "mul(x,sigmoid(x))"
actsearch export runs/quick found -o activation.py
python -c "import activation; print(activation.Activation)"
actsearch export runs/quick swish -o swish.py
python -c "from swish import Activation; import torch; print(Activation(channels=3)(torch.ones(2, 3)).shape)"
! actsearch evaluate relu --task digits 2> sentence.txt
grep "pip install 'actsearch" sentence.txt
"""  # noqa: E501  as somebody types it


def main() -> int:
    """Build, install, do the jobs; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--newest", action="store_true", help="with the newest Python that is to be had")
    python = newest() if parser.parse_args().newest else sys.executable
    if python != sys.executable and shutil.disk_usage(tempfile.gettempdir()).free < ROOM:
        print(f"{python} is here, but not the {ROOM / 1e9:g} GB that its torch may take: {sys.executable} is used")
        python = sys.executable
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="actsearch-wheel-", ignore_cleanup_errors=True) as scratch:
        here, clone, variables = Path(scratch) / "away", Path(scratch) / "clone", environment(Path(scratch) / "home")
        here.mkdir()
        clone_into(clone)
        pip, constraints = new_pip(here / "venv", variables, python), ["--constraint", str(clone / "constraints.txt")]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", scratch, str(clone)], env=variables, check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        subprocess.run([*pip, "install", "--no-compile", *constraints, str(wheel)], env=variables, check=True)
        variables["PATH"] = f"{here / 'venv' / 'bin'}{os.pathsep}{variables.get('PATH', '')}"
        code = subprocess.run(["bash", "-xc", JOBS], cwd=here, env=variables, check=False).returncode
    said = "did every job" if code == 0 else f"FAILED with code {code}"
    print(f"{wheel.name} on {python} {said} after {(time.monotonic() - started) / 60:.1f} minutes")
    return code


if __name__ == "__main__":
    sys.exit(main())
