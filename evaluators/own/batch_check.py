"""One batch through the user's network with the real loss, and one sentence for whatever is wrong with it.

Not here: what is looked for while it runs (``checks``, ``determinism``).
"""

import inspect
from typing import Any

from torch import Tensor, nn

from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.own.data import LABELS
from actsearch.evaluators.own.losses import WrongOutput
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.grammar.fault import fault_text

EXAMPLES = 32  # of a batch that is tried


def loss_of(objective: Objective, model: nn.Module, batch: Split, when: str) -> tuple[Any, Tensor]:
    """Return the network's output and its loss.

    Raises:
        BadOwnTask: the network or the loss raises, or the output does not fit the labels.
    """
    try:
        output = objective.output(model, batch)
    except BadOwnTask:
        raise
    except WrongOutput as fault:
        raise BadOwnTask(f"{fault} ({when}){_hint(model, batch)}") from fault
    except Exception as fault:
        raise BadOwnTask(f"the network does not run {when}: {fault_text(fault)}") from fault
    try:
        return output, objective.loss(output, batch)
    except WrongOutput as fault:
        raise BadOwnTask(f"{fault} ({when}){_hint(model, batch)}") from fault
    except Exception as fault:
        raise BadOwnTask(f"no loss {when}: {fault_text(fault)}") from fault


def _hint(model: nn.Module, batch: Split) -> str:
    """Return what to do where a network takes the labels itself, and gets a pair (inputs, labels)."""
    forward = getattr(model, "model", model).forward
    takes = [*inspect.signature(forward).parameters]
    label = next((name for name in LABELS if name in takes), None)
    if label is None or isinstance(batch.inputs, dict):
        return ""
    return (
        f"; the network takes '{label}' itself: give dictionaries, {{'{takes[0]}': x, '{label}': y}}, and the loss "
        "that it returns is taken"
    )
