"""One batch through the user's network with the real loss, and one sentence for whatever is wrong with it.

Not here: what is looked for while it runs (``check``, ``twice``).
"""

from typing import Any

from torch import Tensor, nn

from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.own.functions import BadOwnTask
from actsearch.evaluators.own.losses import WrongOutput

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
        raise BadOwnTask(f"{fault} ({when})") from fault
    except Exception as fault:
        raise BadOwnTask(f"the network does not run {when}: {type(fault).__name__}: {fault}") from fault
    try:
        return output, objective.loss(output, batch)
    except WrongOutput as fault:
        raise BadOwnTask(f"{fault} ({when})") from fault
    except Exception as fault:
        raise BadOwnTask(f"no loss {when}: {type(fault).__name__}: {fault}") from fault
