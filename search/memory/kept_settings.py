"""The settings that a run was started with: resuming it takes the same settings, or a larger budget.

Not here: the other decisions of a run (``decisions``), and reading and comparing settings (``settings``).
"""

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

from actsearch.evaluators.sentences import BadSettings, default_of
from actsearch.search.ladder import FINAL_SEEDS, RungSettings
from actsearch.search.memory.file import NotBegun
from actsearch.search.memory.store import FILE_NAME, Store
from actsearch.search.plan import Plan
from actsearch.search.proposers.surrogate import SurrogateSettings
from actsearch.search.settings.classes import BudgetSettings, SearchSettings
from actsearch.search.settings.effort import planned
from actsearch.search.settings.reading import from_tree, to_json
from actsearch.search.settings.sentences import differences

GROWING = {
    "budget": ("children", "proposals", "trainings"),
    "final": ("top", "seeds", "trainings"),
}
"""Settings that may grow when a run is resumed."""
NEW = "fresh"  # a key of the surrogate that runs up to version 0.4 lack
UNSAID = {"final.seeds": FINAL_SEEDS}  # values of settings that a run left open


def settings_in(store: Store) -> dict[str, Any]:
    """Return the settings that a run was started with, with the keys of this version; empty if it has none.

    Up to version 0.4 there was no prior, and the surrogate was off unless it was asked for.
    """
    settings: dict[str, Any] = json.loads(store.fact("settings") or "{}")
    proposer = settings.get("proposer", {})
    if settings and "prior" not in proposer:
        names = {part.name for part in dataclasses.fields(SurrogateSettings)}
        surrogate = {key: value for key, value in proposer.get("surrogate", {}).items() if key in names}
        settings["proposer"] = proposer | {"prior": False, "surrogate": {"use": False} | surrogate}
    return settings


def agrees(plan: Plan, directory: Path) -> bool:
    """Return whether the run was started with this plan; False if it has no settings yet.

    Raises:
        BadSettings: the run was started with other settings.
    """
    if not (directory / FILE_NAME).exists():
        return False
    try:
        with Store(directory) as store:
            old = settings_in(store)
    except NotBegun:
        return False
    if old:
        check_same(old, json.loads(to_json(as_kept(plan, old).settings)), directory)
    return bool(old)


def as_kept(plan: Plan, old: dict[str, Any]) -> Plan:
    """Return a plan with the numbers that the run was planned with, unless the user names others.

    Args:
        plan: plan of the user's present settings; this version may plan differently from the version of the run.
        old: settings of the run, from ``settings_in``. Up to version 0.3, a run had 14 final seeds by default.
    """
    if not old:
        return plan
    settings, seeds = plan.settings, old["final"].get("seeds")
    if NEW not in old["proposer"]["surrogate"]:
        settings = _as_version_0_4(settings, old)
    if settings.final.seeds is None and seeds is not None:
        settings = dataclasses.replace(settings, final=dataclasses.replace(settings.final, seeds=seeds))
    trainings = settings.budget.trainings
    if trainings is not None and trainings == old["budget"].get("trainings"):
        old_final = {key: old["final"][key] for key in ("top", "known", "trainings", "race")}
        ladder = tuple(RungSettings(**rung) for rung in old["ladder"])
        same = [rung.steps for rung in ladder] == [rung.steps for rung in settings.ladder]
        settings = dataclasses.replace(
            settings,
            budget=dataclasses.replace(settings.budget, children=old["budget"]["children"]),
            ladder=ladder if same else settings.ladder,
            final=dataclasses.replace(settings.final, **old_final),
        )
    return plan.revised(settings)


def _as_version_0_4(settings: SearchSettings, old: dict[str, Any]) -> SearchSettings:
    """Return settings with a run's ladder, number of children and surrogate, unless the user names others."""
    if {rung.steps for rung in settings.ladder} == {settings.final.steps} and len(old["ladder"]) == 1:
        ladder = tuple(RungSettings(**rung) for rung in old["ladder"])
        settings = planned(dataclasses.replace(settings, ladder=ladder))
    if settings.budget.trainings is None and settings.budget.children == BudgetSettings().children:
        budget = dataclasses.replace(settings.budget, children=old["budget"]["children"])
        settings = dataclasses.replace(settings, budget=budget)
    if (settings.proposer.prior, settings.proposer.surrogate) == (True, SurrogateSettings()):
        surrogate = SurrogateSettings(**old["proposer"]["surrogate"])
        proposer = dataclasses.replace(settings.proposer, prior=False, surrogate=surrogate)
        settings = dataclasses.replace(settings, proposer=proposer)
    return settings


def to_be_kept(plan: Plan, old: dict[str, Any]) -> str:
    """Return the settings of an extended run as text for the store.

    Those of a run of version 0.4 go on without ``NEW``, so that the run can be resumed and extended again.
    """
    tree = json.loads(to_json(plan.settings))
    if NEW not in old["proposer"]["surrogate"]:
        del tree["proposer"]["surrogate"][NEW]
    return json.dumps(tree)


def extended(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of old settings whose budgets have grown, with the new budgets in them.

    Raises:
        BadSettings: a budget has shrunk.
    """
    sections: dict[str, Any] = {}
    start, after = (one["budget"].get("trainings") for one in (old, new))
    if start is not None and after is not None and after != start:
        if after < start:
            raise BadSettings(
                f"key 'budget.trainings': a run can be extended, not shortened: expected {start} or more, found {after}"
            )
        larger = json.loads(to_json(planned(_with_trainings(from_tree(old), after))))
        return {section: larger[section] for section in ("budget", "ladder", "final")}  # set by budget.trainings
    for section, keys in GROWING.items():
        grown = {key: new[section].get(key) for key in keys if new[section].get(key) != old[section].get(key)}
        grown = {key: value for key, value in grown.items() if value is not None}  # null is compared as any setting
        for key, value in grown.items():
            before = old[section].get(key) or UNSAID.get(f"{section}.{key}", 0)
            if value < before:
                raise BadSettings(
                    f"key '{section}.{key}': a run can be extended, not shortened: expected {before} or more, found "
                    f"{value}"
                )
        sections |= {section: old[section] | grown} if grown else {}
    return sections


def _with_trainings(settings: SearchSettings, trainings: int) -> SearchSettings:
    return dataclasses.replace(settings, budget=dataclasses.replace(settings.budget, trainings=trainings))


def check_same(old: dict[str, Any], new: dict[str, Any], directory: Path) -> None:
    """Refuse settings that differ from the run's and change its result.

    Raises:
        BadSettings: settings differ; the message says how to restore the old ones, or how to extend the run.
    """
    old = {"incumbent": new.get("incumbent")} | old  # older runs have no incumbent
    changed = [line for line in differences(old, new) if not line.startswith("pool.") and not _is_idle(line, new)]
    if changed:
        raise BadSettings(
            f"the run in '{directory}' was started with other settings ({'; '.join(changed)}): "
            f"use the same ones to go on with it ({_as_options(changed, old)}), or another directory (--run)"
            + ("" if not all(_grows(line) for line in changed) else ", or a larger budget with --extend KEY=VALUE")
        )


def _is_idle(line: str, settings: dict[str, Any]) -> bool:
    """Return whether a difference is in ``own`` settings without effect: another task, or a chance without a score."""
    section, is_own, key = line.partition(":")[0].partition(".own.")
    for step in section.split(".") if is_own else ():
        settings = settings[int(step)] if isinstance(settings, list) else settings.get(step, {})
    return bool(is_own) and (settings.get("name") != "own" or (key == "chance" and settings["own"]["score"] is None))


def _as_options(changed: list[str], old: dict[str, Any]) -> str:
    """Return the options that restore the old settings; a list is restored as a whole."""
    options: dict[str, str] = {}
    for line in changed:
        path, value = list[str](), old
        for step in line.partition(":")[0].split("."):
            if not isinstance(value, dict):
                break
            path.append(step)
            value = value[step] if step in value else default_of(SearchSettings, tuple(path))
        options[".".join(path)] = json.dumps(value)
    return " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in options.items())


def _grows(line: str) -> bool:
    """Return whether a difference is in a setting that may grow."""
    section, _, key = line.partition(":")[0].partition(".")
    return key in GROWING.get(section, ())
