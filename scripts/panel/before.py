"""What an earlier version takes for a claim on the problems of the panel: its own commands, from a checkout of it.

``git worktree add ../before 2987200``, then ``python -m scripts.panel.before ../before``: a search of 60 children,
whose longest are as long as those of ``run``, and more seeds until something is called better, or nothing is open.
Prints the steps of all children in whole trainings, and the processor time of its commands, their start and the
reading of the list among it. Not here: what this version takes (``run``).
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from actsearch.search.ladder import FINAL_STEPS
from actsearch.search.memory.store import Store
from scripts.panel import problems
from scripts.panel.run import STEPS

CHILDREN, MINUTES, MOST = 60, 2, 8  # of a search; of a refine, and how many of these
LAID_OUT = ".laid_out"
ROOMS = ("grammar", "evaluators", "search")
PROGRAM = "from actsearch.search.command_line import main; main()"


def lay_out(checkout: Path) -> None:
    """Make a folder from which a checkout is imported as ``actsearch``, whatever is installed."""
    folder = checkout / LAID_OUT
    (folder / "actsearch").mkdir(parents=True, exist_ok=True)
    for source in [*(checkout / "search" / "api").iterdir(), *(checkout / room for room in ROOMS)]:
        link = folder / "actsearch" / source.name
        if not link.is_symlink():
            link.symlink_to(source.resolve())
    shutil.copytree(Path(problems.__file__).parent, checkout / "scripts" / "panel", dirs_exist_ok=True)


def said(checkout: Path, *words: str) -> str:
    """Return what a command of the earlier version, which is laid out, prints; where it has nothing to do, nothing."""
    path = os.pathsep.join(map(str, ((checkout / LAID_OUT).resolve(), checkout.resolve())))
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(
        command, cwd=checkout, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, check=False, text=True
    ).stdout


def claim(checkout: Path, name: str, seed: int, directory: Path) -> str:
    """Search until something is called better, and return a row of the table."""
    own = {"build": f"scripts.panel.problems:{name}", "replace": problems.REPLACED.get(name)}
    task = {"name": "own", "steps": STEPS // FINAL_STEPS, "batch": 32, "own": own}
    run, config = directory / f"{name}-{seed}", directory / f"{name}-{seed}.yaml"
    settings = {"seed": seed, "task": task, "pool": {"kind": "serial"}, "budget": {"children": CHILDREN}}
    config.write_text(json.dumps(settings))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said(checkout, "search", str(config), "--run", str(run))
    if not run.exists():
        return f"| {name} | it does not train this network | | | |"
    refined = 0
    while not (better := json.loads(said(checkout, "top", str(run), "--json"))["verdict"]["better"]) and refined < MOST:
        if not said(checkout, "refine", str(run), "--pool", "serial", "--minutes", str(MINUTES)):
            break
        refined += 1
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with Store(run) as store:
        records = store.outcomes(diagnostics=False).values()
    steps = sum(record.request.steps for record in records if record.outcome.trained_by)
    return f"| {name} | {', '.join(better) or 'nothing'} | {refined} | {steps / STEPS:.0f} | {seconds:.0f} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", type=Path, help="of the earlier version")
    parser.add_argument("problems", nargs="*", help="names; all that are not aside where none is given")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    directory = Path("runs/before").resolve()
    directory.mkdir(parents=True, exist_ok=True)
    lay_out(chosen.checkout)
    print("| problem | called better | refined | whole trainings | CPU s |\n|---|---|---|---|---|", flush=True)
    for name in chosen.problems or problems.names():
        print(claim(chosen.checkout, name, chosen.seed, directory), flush=True)


if __name__ == "__main__":
    main()
