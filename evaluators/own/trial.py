"""One batch through the user's network with the real loss, and one sentence for whatever is wrong with it.

Not here: what is looked for while it runs (``check``, ``twice``).
"""

from torch import Tensor, nn
from torch.nn import functional

from actsearch.evaluators.data.dataset import Split
from actsearch.evaluators.own.functions import BadOwnTask

EXAMPLES = 32  # of a batch that is tried


def first_of(split: Split, count: int) -> Split:
    """Return a copy of the first so many examples."""
    return Split(split.inputs[:count].clone(), split.labels[:count].clone())


def loss_of(model: nn.Module, batch: Split, when: str) -> tuple[Tensor, Tensor]:
    """Return the network's output and its loss.

    Raises:
        BadOwnTask: the network or the loss raises, or the output is of another kind.
    """
    try:
        logits = model(batch.inputs)
    except Exception as fault:
        raise BadOwnTask(f"the network does not run {when}: {type(fault).__name__}: {fault}") from fault
    classes = int(batch.labels.max()) + 1
    if not isinstance(logits, Tensor):
        raise BadOwnTask(
            f"the network returns a {type(logits).__name__} {when}; expected a tensor of logits (examples, classes). "
            "With outputs of another kind, write the training yourself (task.own.score)"
        )
    shape, wanted = tuple(logits.shape), f"logits (examples, classes) for labels {tuple(batch.labels.shape)}"
    if logits.ndim < 2 or (logits.shape[0], *logits.shape[2:]) != tuple(batch.labels.shape):
        raise BadOwnTask(f"the network returns {shape} {when}; expected {wanted}")
    if logits.shape[1] < classes:
        raise BadOwnTask(f"the network tells {logits.shape[1]} classes apart, but there are labels up to {classes - 1}")
    try:
        return logits, functional.cross_entropy(logits, batch.labels)
    except Exception as fault:
        raise BadOwnTask(f"no loss {when}: {type(fault).__name__}: {fault}; expected {wanted}") from fault
