"""Export to a Python file that imports only torch and defines a function and an ``nn.Module``.

The body of the function is the trained code (``torch_body``). It computes half precision in single precision and rounds
once, as torch's own activations do. For ONNX exporters only, a second body avoids operators that they lack. Not here:
writing and verifying the file (``search.exporting``).
"""

from collections.abc import Callable, Sequence

from actsearch.grammar.formats.discovery import Discovery, count_text, start_text
from actsearch.grammar.formats.languages import ONNX_EXACT, ONNX_LACKS, TORCH_FOR_ONNX
from actsearch.grammar.formats.torch_body import EXPORTED, ROUNDED_ONCE, function_lines, lines_for_a_compiler, native
from actsearch.grammar.parameter import BETA
from actsearch.grammar.program.node import Node, parts
from actsearch.grammar.program.operations import NoCounterpart
from actsearch.grammar.program.writing import NotInLanguage, write

_CLASS = '''\
class {name}(torch.nn.Module):
    """{formula}

    Args:
        channels: {channels}
        dimension: {dimension}
{starts}
        frozen: {frozen}
        inplace: taken, since torch's own activations have it, and not done.
    """

    def __init__(
        self, channels: int = 1, dimension: Optional[int] = None, {arguments}, frozen: bool = False,
        inplace: bool = False, device: Optional[torch.device] = None, dtype: Optional[torch.dtype] = None,
    ) -> None:
        super().__init__()
'''
_TRAINED = '''\
        self.channels = int(channels)  # True, where torch's own take inplace, is 1
        self.dimension = 1 if dimension is None else dimension
        self.named = dimension is not None
        kind = dtype or torch.get_default_dtype()
{made}

    def extra_repr(self) -> str:
        return "{plain}, channels={{}}, dimension={{}}".format(self.channels, self.dimension)

    def forward({arguments}) -> torch.Tensor:
        return {function}({inputs}, {given})


def _by_channel(values: torch.Tensor, x: torch.Tensor, dimension: int, named: bool) -> torch.Tensor:
    """Return a parameter in the shape that stands beside x."""
    channels, shape = values.numel(), [1] * x.dim()
    if channels != 1:
        if not -x.dim() <= dimension < x.dim() or x.shape[dimension] != channels:
            wanted = "{{}} channels in dimension {{}}".format(channels, dimension)
            raise ValueError("expected {{}}, found the shape {{}}".format(wanted, list(x.shape)))
        if not named and x.dim() > 2 and x.shape[-1] == channels:
            raise ValueError("channels may be in dimension 1 or -1 of {{}}: say dimension=".format(list(x.shape)))
        shape[dimension] = -1
    return values.view(shape)


torch.fx.wrap("{function}")  # symbolic tracing takes them as they are
torch.fx.wrap("_by_channel")
'''
_PARAMETER = """\
        start = torch.as_tensor({name}, device=device, dtype=kind)
        self.{name} = torch.nn.Parameter(start.expand({count}).clone(), requires_grad=not frozen)"""
_PLAIN = """\

    def extra_repr(self) -> str:
        return "{plain}"

    def forward({arguments}) -> torch.Tensor:
        return {function}({inputs})


torch.fx.wrap("{function}")  # symbolic tracing takes it as it is
"""
_ROUND_ONCE = """\
    if {x}.dtype == torch.float16 or {x}.dtype == torch.bfloat16:  # too narrow for what is inside: rounded once
        return _formula({wide}).to({x}.dtype)
    return _formula({arguments})
"""
_EXPORTING = """\
    if not torch.jit.is_scripting():
        if torch.onnx.is_in_onnx_export():
            wide = torch.promote_types({x}.dtype, torch.float32)
            return _for_onnx({wide}).to({x}.dtype)
"""
_COMPILING = """\
    if not torch.jit.is_scripting():
        if torch.compiler.is_compiling():  # the same, where a compiler would keep a mask and be slow with it
{lines}
"""


def torch_source(discovery: Discovery) -> str:
    """Return the text of the file."""
    head = f'"""{discovery.head}\n\nNeeds torch alone.\n"""\n\nfrom typing import Optional\n\nimport torch\n'
    return "\n\n".join([head, *_functions(discovery), class_source(discovery)])


def class_source(discovery: Discovery) -> str:
    """Return the source of the class, which calls the function."""
    plain = discovery.written.plain.replace('"', "'").replace("{", "{{").replace("}", "}}")
    function, trained = discovery.function, bool(discovery.parameters)
    shown = discovery.parameters or (BETA,)  # a module without parameters accepts one too
    names = " and ".join(parameter.name for parameter in shown)
    head = _CLASS.format(
        name=discovery.name,
        formula=_sentence(discovery),
        arguments=", ".join(f"{parameter.name}: float = {start_text(parameter)}" for parameter in shown),
        channels=f"number of trainable values of {names}, one per channel, or 1 for the whole layer." if trained else
        "not needed: taken, so that files of this kind can stand for one another; the next three too.",
        dimension="which dimension of the input is the channels': by default 1, and an input where it may as well "
        "be the\n            last one is refused." if trained else "the same.",
        starts="\n".join(
            f"        {parameter.name}: {f'where every {parameter.name} starts.' if trained else 'the same.'}"
            for parameter in shown
        ),
        frozen=f"whether {names} {'is' if len(shown) == 1 else 'are'} not trained." if trained else "the same.",
    )  # fmt: skip
    first = function.inputs[0] if len(function.inputs) > 1 else "input"
    inputs = ("input",) if len(function.inputs) == 1 else function.inputs
    fields = {
        "function": discovery.function_name,
        "plain": plain,
        "arguments": ", ".join(["self", *(f"{name}: torch.Tensor" for name in inputs)]),
        "inputs": ", ".join(inputs),
        "given": ", ".join(
            f"_by_channel(self.{parameter.name}, {first}, self.dimension, self.named)" for parameter in shown
        ),
        "made": "\n".join(_PARAMETER.format(name=parameter.name, count=count_text(parameter)) for parameter in shown),
    }
    return head + (_TRAINED if trained else _PLAIN).format(**fields)


def _sentence(discovery: Discovery) -> str:
    name, call = native(discovery.expression)
    formula = discovery.written.plain
    return f"{formula}: torch's own {name}, equal up to rounding." if call else formula


def _functions(discovery: Discovery) -> list[str]:
    """Return the sources of the functions before the class."""
    expression, names = discovery.expression, discovery.function.names
    name, call = native(expression)
    parameters = ", ".join(f"{one}: torch.Tensor" for one in names)
    fields = {"x": names[0], "arguments": ", ".join(names), "wide": ", ".join(f"{one}.float()" for one in names)}
    formula, lines = _sentence(discovery), _indented(function_lines(expression))
    if compiled := lines_for_a_compiler(expression):
        lines = _COMPILING.format(lines=_indented(compiled, 12)) + lines
    blocks, onnx = list[str](), ""
    if name not in EXPORTED and (text := _for_onnx(discovery, parameters)):
        onnx = _EXPORTING.format(**fields | {"wide": ", ".join(f"{one}.to(wide)" for one in names)})
        blocks = [text]
    public = discovery.function_name
    if name in ROUNDED_ONCE:
        blocks.append(f'def {public}({parameters}) -> torch.Tensor:\n    """Return {formula}"""\n{onnx}{lines}\n')
    else:
        blocks.append(f"def _formula({parameters}) -> torch.Tensor:\n{lines}\n")
        docstring = f'    """Return {formula}, elementwise."""\n' if not call else f'    """Return {formula}"""\n'
        blocks.append(f"def {public}({parameters}) -> torch.Tensor:\n{docstring}{onnx}{_ROUND_ONCE.format(**fields)}")
    return blocks


def _indented(lines: Sequence[str], by: int = 4) -> str:
    return "\n".join(f"{' ' * by}{line}" for line in lines)


def _for_onnx(discovery: Discovery, parameters: str) -> str:
    """Return the function in operators that torch's ONNX exporters support; empty if not needed, or not possible."""
    try:
        graph = discovery.function.plain_graph
        inputs = frozenset(discovery.function.inputs)
        names = {node.name for node in parts(graph)}
        is_delicate = "sigmoid" in names and (degree := _degree(graph, inputs)) != 1 and degree != 0
        if not is_delicate and not names & ONNX_LACKS:
            return ""
        text = write([graph], ONNX_EXACT if is_delicate else TORCH_FOR_ONNX)
    except (NoCounterpart, NotInLanguage):
        return ""
    body = _indented([*text.lines, f"return {text.results[0]}"])
    docstring = '    """The same in operators that torch can export to ONNX, for that alone."""'
    helpers: list[str] = []
    for helper in text.helpers:
        helpers += [part for part in helper.split("\n\n\n") if part not in helpers]
    return "\n\n\n".join([*helpers, f"def _for_onnx({parameters}) -> torch.Tensor:\n{docstring}\n{body}\n"])


def _degree(node: Node, inputs: frozenset[str]) -> int | None:
    """Return the degree of a polynomial in the inputs, where a sigmoid of a linear function counts as a constant.

    None for any other graph. There, an error of 1.5e-8 in a sigmoid may grow by a division or by a large factor;
    onnxruntime's sigmoid is wrong by that much from x = -18 on, and nearly so before.
    """
    degrees = [_degree(part, inputs) for part in node.arguments]
    known = [degree for degree in degrees if degree is not None]
    if len(known) < len(degrees) or (node.name == "sigmoid" and known[0] > 1):
        return None
    rules: dict[str, Callable[[], int]] = {
        "leaf": lambda: int(node.text in inputs), "number": lambda: 0, "sigmoid": lambda: 0, "neg": lambda: known[0],
        "add": lambda: max(known), "sub": lambda: max(known), "mul": lambda: sum(known),
    }  # fmt: skip
    return rules[node.name]() if node.name in rules else None
