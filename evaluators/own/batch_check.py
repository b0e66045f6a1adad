"""Run one batch through the user's network with the real loss, and report any fault in one sentence.

Not here: the checks that use it (``checks``, ``determinism``).
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

EXAMPLES = 32  # examples in a batch for checks


def loss_of(objective: Objective, model: nn.Module, batch: Split, when: str) -> tuple[Any, Tensor]:
    """Return the network's output and its loss.

    Args:
        objective: loss of the task.
        model: the user's network.
        batch: inputs and labels.
        when: phrase for messages, such as "in training".

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
    """Return advice for a network that takes the labels itself but gets a pair (inputs, labels); else empty."""
    forward = getattr(model, "model", model).forward
    takes = [*inspect.signature(forward).parameters]
    label = next((name for name in LABELS if name in takes), None)
    if label is None or isinstance(batch.inputs, dict):
        return ""
    return (
        f"; the network takes '{label}' itself: give dictionaries, {{'{takes[0]}': x, '{label}': y}}, and the loss "
        "that it returns is taken"
    )
