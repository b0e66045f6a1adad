"""The command that replaces a network's activations by another one. Not here: the replacing itself (``swap``)."""

import importlib
import io
import math
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from actsearch.search.commands.shared import PATH, Command, config_option, vocabulary_with

if TYPE_CHECKING:
    from torch import nn


MOST_NUMBERS = 2**28  # numbers in an example input: 1 GB


@click.command(cls=Command)
@click.argument("network", metavar="FILE.py:FUNCTION")
@click.argument("activation", metavar="ACTIVATION")
@click.option("--replace", default="ReLU", show_default=True, help="Which layers: classes or names, divided by commas.")
@click.option("--example", help="Shape of an input, 1,3,32,32 or 2,16:int: finds channels, and calls that stay.")
@click.option("--dimension", type=int, help="Dimension of the channels, if the network does not tell: 1 or -1.")
@click.option(
    "--init", type=click.Choice(["keep", "matched"]), default="keep", show_default=True,
    help="Keep the weights, or draw them anew with the gain that suits ACTIVATION.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
    help="Seed of the network's weights, and of those drawn anew.",
)  # fmt: skip
@click.option("--weights", type=PATH, help="A state dict (.pt, .safetensors) that the network had before.")
@click.option("-o", "--output", type=PATH, help="Where the state dict of the changed network goes.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@config_option
def swap(
    network: str, activation: str, replace: str, example: str | None, dimension: int | None, init: str, seed: int,
    weights: Path | None, output: Path | None, force: bool, config: Path | None,
) -> None:  # fmt: skip
    """Put ACTIVATION, a name, an expression or a .json, in the places of a network's own, and tell which.

    FUNCTION, or a class, is called without arguments and makes the network; its code runs on this machine.
    """
    from actsearch.evaluators.own.layer_makers import read_of
    from actsearch.evaluators.own.swap import replace_activations
    from actsearch.grammar.fault import UserFault
    from actsearch.search.exporting.placing import check_target, put

    if output is not None:
        check_target(output, force=force)
    replacement = read_of(activation, vocabulary_with(config))
    kinds = tuple(part.strip() for part in replace.split(","))
    model = _network(network, seed)
    if weights is not None:
        _load(model, weights)
    example_input = None if example is None else _example(example, seed)
    try:
        report = replace_activations(
            model, kinds, replacement, init="matched" if init == "matched" else "keep", example=example_input,
            dimension=dimension, seed=seed,
        )  # fmt: skip
    except UserFault as fault:
        if example_input is None or not example_input.is_floating_point() or "indices" not in str(fault):
            raise
        raise UserFault(f"{fault}; whole numbers, as an embedding takes them: --example {example}:int") from fault
    print(report)
    if output is not None:
        put(_state(model, output), output)
        print(f"{output}: the state dict of the changed network")
    if config is None:  # the printed text would lack the config's own primitives
        options = "".join(
            f", {name}={value}" for name, value in (
                ("init", None if init == "keep" else repr(init)),
                ("example", None if example is None else _example_code(example)),
                ("dimension", dimension),
                ("seed", seed or None),
            ) if value is not None
        )  # fmt: skip
        activation_code = f'"{activation if activation.endswith(".json") else replacement.text}"'
        kinds_code = repr(kinds[0] if len(kinds) == 1 else kinds)
        print(f"the same in Python: actsearch.replace_activations(model, {kinds_code}, {activation_code}{options})")


def _network(path: str, seed: int) -> "nn.Module":
    """Return the network that the user's function builds, with every random generator seeded.

    Raises:
        UserFault: the function is missing, it raises, or it returns no network.
    """
    from torch import nn

    from actsearch.evaluators.contained import contained
    from actsearch.evaluators.own.user_code import BadOwnTask, find
    from actsearch.grammar.fault import fault_text

    if not re.fullmatch(r"[^:]+:\w+", path):
        raise click.UsageError(f"expected FILE.py:FUNCTION or module:function, found '{path}'")
    build = find(path)
    try:
        with contained(seed, path.partition(":")[0]):
            result = build()
    except Exception as fault:  # whatever the user's function raises
        raise BadOwnTask(f"'{path}' raised {fault_text(fault)}; it is called without arguments") from fault
    model = result[0] if isinstance(result, tuple) and result else result
    if not isinstance(model, nn.Module):
        raise BadOwnTask(f"'{path}' must return a torch.nn.Module, found {type(result).__name__}")
    return model


def _state(model: "nn.Module", target: Path) -> bytes:
    """Return the state dict as file content, in the format that the file's suffix names: safetensors, or torch's."""
    if target.suffix == ".safetensors":
        parts = {name: part.detach().clone().contiguous() for name, part in model.state_dict().items()}
        saved: bytes = _safetensors().save(parts)
        return saved
    import torch

    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    return content.getvalue()


def _safetensors() -> Any:
    """Return safetensors' module for torch.

    Raises:
        NotInstalled: safetensors is not installed.
    """
    from actsearch.grammar.fault import NotInstalled

    try:
        return importlib.import_module("safetensors.torch")
    except ImportError as fault:
        raise NotInstalled(f"a .safetensors file needs {fault.name}: pip install 'actsearch[formats]'") from fault


def _load(model: "nn.Module", weights: Path) -> None:
    """Load a state dict; nothing in the file is executed.

    Raises:
        UserFault: the file cannot be read, or its state dict belongs to another network.
    """
    import torch

    from actsearch.grammar.fault import NotInstalled, UserFault

    try:
        state: Any
        if weights.suffix == ".safetensors":
            state = _safetensors().load_file(weights)
        else:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict(state)
    except NotInstalled:
        raise
    except pickle.UnpicklingError as fault:
        raise UserFault(
            f"'{weights}' is no state dict: it holds more than tensors, and nothing in it is executed; expected what "
            "torch.save(model.state_dict(), ...) writes"
        ) from fault
    except Exception as fault:  # whatever reading a damaged file raises: EOFError, KeyError, safetensors' own
        reason = " ".join(str(fault).split())
        raise UserFault(f"'{weights}' is no state dict of the network: {reason[:300]}") from fault


def _shape(example: str) -> tuple[tuple[int, ...], bool]:
    """Return the shape of an example, and whether the example has whole numbers."""
    if not re.fullmatch(r"\s*\d+(\s*[,x]\s*\d+)*\s*(:int)?", example):
        raise click.UsageError(
            f"--example must be a shape such as 1,3,32,32, or 2,16:int for whole numbers, found '{example}'"
        )
    sizes, _, whole = example.partition(":")
    shape = tuple(map(int, re.split(r"[,x]", sizes)))
    if math.prod(shape) > MOST_NUMBERS:
        raise click.UsageError(f"--example {example} is {math.prod(shape)} numbers; expected {MOST_NUMBERS} at most")
    return shape, bool(whole)


def _example(example: str, seed: int) -> Any:
    """Return an example of normal numbers, or of zeros if they are whole: every embedding has index 0."""
    import torch

    shape, whole = _shape(example)
    if whole:
        return torch.zeros(shape, dtype=torch.long)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _example_code(example: str) -> str:
    """Return the Python code that makes an example."""
    shape, whole = _shape(example)
    return f"torch.zeros({shape}, dtype=torch.long)" if whole else f"torch.randn({shape})"
