"""The forecast of a search as tables. Not here: the forecast itself (``search.forecast``)."""

from rich import box
from rich.table import Table

from actsearch.search.forecast import BUSY, Forecast
from actsearch.search.ranking.measure import Measure


def plan_parts(plan: Forecast) -> list[Table | str]:
    """Return the forecast's tables and sentences, in the order to print."""
    betas, without = plan.parameters
    places = Table("the candidate takes the place of", "channels", "dimension", box=box.SIMPLE_HEAD)
    for place in plan.places:
        places.add_row(place.where, str(place.channels), str(place.dimension))
    costs = Table("rung", "children", "steps", "seconds a child", "share", box=box.SIMPLE_HEAD)
    whole = sum(goal.children * goal.steps for goal in plan.goals.values())
    for name, goal in plan.goals.items():
        share = f"{goal.children * goal.steps / whole:.0%}"
        costs.add_row(name, str(goal.children), str(goal.steps), f"{plan.child(goal.steps):.3g}", share)
    chance = "" if plan.chance is None else f"; a network that knows nothing gets {plan.chance:.4g}"
    return [
        places,
        f"{without:,} parameters, {betas:,} with a candidate that has betas",
        f"loss at the start {plan.untrained:.4g}{Measure(plan.unit).behind}{chance}",
        costs,
        *([f"{plan.stack} children at a time are trained as one"] if plan.stack > 1 else []),
        *([f"children are trained one by one: {plan.one_by_one}"] if plan.one_by_one else []),
        f"about {_time(plan.seconds)} here if nothing else runs, {plan.workers} at once, {plan.memory / 1e9:.1f} GB "
        f"each{plan.manners}",
        *([f"this machine is busy: it may take {plan.busy:.1f} times as long"] if plan.busy > BUSY else []),
    ]


def _time(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds > 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
