"""The commands that need no run: on functions, spaces, tasks and settings."""

import dataclasses
from pathlib import Path

import click

from actsearch.search.commands.shared import (
    PATH,
    Command,
    address_option,
    check_scored,
    config_option,
    json_option,
    print_json,
    say,
    set_option,
    vocabulary_with,
)

SHOWN = ("steps", "batch", "learning_rate", "width", "init", "purpose")  # attributes of a task that `tasks` prints


@click.command(cls=Command)
@click.argument("config", required=False, type=PATH)
@set_option
@click.option("--primitives", help="Instead of CONFIG: a set or names, separated by commas.")
@click.option("--shape", "shapes", multiple=True, help='Instead of CONFIG: a template such as "b(u(x),u(x))".')
@click.option("--units", type=click.IntRange(1, 8), default=1, show_default=True, help="Instead of CONFIG: core units.")
@json_option
def space(
    config: Path | None,
    changes: tuple[str, ...],
    primitives: str | None,
    shapes: tuple[str, ...],
    units: int,
    as_json: bool,
) -> None:
    """Count the space of CONFIG: strings, legal, finite, distinct, and which known activations lie in it."""
    from actsearch.grammar.behaviour.census import take_census
    from actsearch.search.settings.reading import from_tree, load_settings
    from actsearch.search.settings.space import build_space
    from actsearch.search.show import display

    if len(shapes) > 1:
        raise click.UsageError(f"a space has one shape, found {len(shapes)}: count each by itself")
    shape = next(iter(shapes), None)
    has_config, has_primitives = config is not None, primitives is not None
    if has_config == has_primitives or (has_config and (shapes or units != 1)) or (has_primitives and changes):
        raise click.UsageError("name either a CONFIG (and --set) or --primitives (and --shape or --units)")
    if config is not None:
        settings = load_settings(config, changes).space
    else:
        names = [name.strip() for name in (primitives or "").split(",")]
        tree = {"primitives": names[0] if len(names) == 1 else names, "shape": shape, "units": units}
        settings = from_tree({"space": tree}).space
    census = take_census(build_space(settings))
    if as_json:
        print_json(dataclasses.asdict(census))
    else:
        for table in display.census_tables(census):
            display.console().print(table)


@click.command(cls=Command, name="describe")
@click.argument("expression")
@config_option
@json_option
def describe_command(expression: str, config: Path | None, as_json: bool) -> None:
    """Say everything about EXPRESSION: forms, ends, shape, moments, gain, distance to Swish."""
    from actsearch.grammar.description import describe
    from actsearch.search.show import display

    facts = describe(vocabulary_with(config).read(expression).as_expression())
    if as_json:
        print_json(facts)
    else:
        display.console().print(display.description_table(facts))


@click.command(cls=Command)
@json_option
def tasks(as_json: bool) -> None:
    """List the tasks: what children can be trained on, with the values their settings take."""
    from actsearch.evaluators.registry import TASKS
    from actsearch.search.show import display

    rows = [{"name": name, **{key: getattr(task, key) for key in SHOWN}} for name, task in TASKS.items()]
    if as_json:
        print_json(rows)
    else:
        display.console().print(display.plain_table(rows))


@click.command(cls=Command)
@json_option
def primitives(as_json: bool) -> None:
    """List the primitives of expressions: how each is written, what it computes, its sets."""
    from actsearch.grammar.primitive import call
    from actsearch.grammar.rows.sets import SETS, VOCABULARY
    from actsearch.search.show import display

    rows = [
        {
            "name": row.name,
            "written": call(row.name, row.arity),
            "formula": row.formula,
            "sets": ", ".join(name for name, members in SETS.items() if row in members),
            "note": row.note,
        }
        for row in VOCABULARY
    ]
    if as_json:
        print_json(rows)
    else:
        display.console().print(display.plain_table(rows))


@click.command(cls=Command, name="settings")
@click.argument("config", required=False, type=PATH)
@set_option
@json_option
def settings_command(config: Path | None, changes: tuple[str, ...], as_json: bool) -> None:
    """List every setting of CONFIG, or the defaults, with what it means; the output is a config."""
    from actsearch.search.plan import without_open_values
    from actsearch.search.settings.reading import settings_of
    from actsearch.search.settings.text import settings_text

    settings = without_open_values(settings_of(config, changes))
    if as_json:
        print_json(dataclasses.asdict(settings))
    else:
        print(settings_text(settings), end="")


@click.command(cls=Command)
@click.argument("expressions", nargs=-1)
@click.option("--baselines", help="Known activations to score as well: names separated by commas, or all.")
@click.option("--task", help="Task of the children; actsearch tasks lists them.  [default: mnist1d]")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Children of each expression.")
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps.  [default: the task's own]")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Base for the children's seeds.",
)
@click.option("--pool", type=click.Choice(["ray", "serial"]), help="Pool of workers.  [default: ray]")
@click.option("--config", type=PATH, help="Config that gives the task, the pool and your own primitives.")
@address_option
@set_option
@json_option
def evaluate(
    expressions: tuple[str, ...],
    baselines: str | None,
    task: str | None,
    seeds: int,
    steps: int | None,
    seed: int,
    pool: str | None,
    config: Path | None,
    address: str | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Score EXPRESSIONS, such as "mul(x,sigmoid(x))" or gelu, without a search."""
    from actsearch.evaluators.activation import BASELINES
    from actsearch.grammar.fault import Failed
    from actsearch.search import evaluating
    from actsearch.search.plan import resolve
    from actsearch.search.ranking.measure import measure_of
    from actsearch.search.settings.reading import settings_of
    from actsearch.search.show import display

    named = [name.strip() for name in (baselines or "").split(",") if name.strip()]
    every = [known for name in named for known in (BASELINES if name == "all" else [name])]
    texts = list(dict.fromkeys([*expressions, *every]))
    if not texts:
        raise click.UsageError("name EXPRESSIONS or --baselines")
    options = {"task.name": task, "task.steps": steps, "pool.kind": pool, "pool.address": address}
    option_changes = [f"{key}={value}" for key, value in options.items() if value is not None]
    plan = resolve(settings_of(config, [*option_changes, *changes]))
    evaluations = evaluating.evaluate(texts, plan.task, plan.pool, seeds, seed, plan.vocabulary, say)
    if as_json:
        print_json([display.evaluation_facts(evaluation) for evaluation in evaluations])
    else:
        display.console().print(display.evaluation_table(evaluations, measure_of(plan.task.settings, plan.task.unit)))
    check_scored(outcome for evaluation in evaluations for outcome in evaluation.outcomes)
    failed = sum(all(outcome.score is None for outcome in evaluation.outcomes) for evaluation in evaluations)
    if 2 * failed > len(evaluations):
        raise Failed(f"{failed} of {len(evaluations)} functions have no score with any seed; the table says why")
