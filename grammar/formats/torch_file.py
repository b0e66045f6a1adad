"""A discovery -> the text of a Python file that imports torch alone and holds a function and an ``nn.Module``.

The function's body is what was trained (``torch_body``); half precision is computed in single precision and rounded
once, as torch does in its own; what ONNX exporters lack is written in other words for them alone. On request only the
input is kept for the backward pass. Not here: writing the file and proving it (``search.exporting``).
"""

from collections.abc import Callable

from actsearch.grammar.expression import X as INPUT_NODE
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.languages import ONNX_EXACT, ONNX_LACKS, TORCH, TORCH_FOR_ONNX
from actsearch.grammar.formats.torch_body import EXPORTED, ROUNDED_ONCE, function_lines, lines_for_a_compiler, native
from actsearch.grammar.program.derivative import derivative
from actsearch.grammar.program.node import BETA, SLOPE, Node, X, parts
from actsearch.grammar.program.reading import NoCounterpart
from actsearch.grammar.program.writing import NotInLanguage, write

_CLASS = '''\
class {name}(torch.nn.Module):
    """{formula}

    Args:
        channels: {channels}
        dimension: {dimension}
        beta: {beta}
        frozen: {frozen}
        inplace: taken, since torch's own activations have it, and not done.
    """

    def __init__(
        self, channels: int = 1, dimension: Optional[int] = None, beta: float = {start}, frozen: bool = False,
        inplace: bool = False, device: Optional[torch.device] = None, dtype: Optional[torch.dtype] = None,
    ) -> None:
        super().__init__()
'''
_WITH_BETA = '''\
        self.channels = int(channels)  # True, where torch's own take inplace, is 1
        self.dimension = 1 if dimension is None else dimension
        self.named = dimension is not None
        start = torch.as_tensor(beta, device=device, dtype=dtype or torch.get_default_dtype())
        self.beta = torch.nn.Parameter(start.expand(self.channels).clone(), requires_grad=not frozen)

    def extra_repr(self) -> str:
        return "{plain}, channels={{}}, dimension={{}}".format(self.channels, self.dimension)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return {function}(input, _by_channel(self.beta, input, self.dimension, self.named))


def _by_channel(beta: torch.Tensor, x: torch.Tensor, dimension: int, named: bool) -> torch.Tensor:
    """Return the betas in the shape that stands beside x."""
    channels, shape = beta.numel(), [1] * x.dim()
    if channels != 1:
        if not -x.dim() <= dimension < x.dim() or x.shape[dimension] != channels:
            wanted = "{{}} channels in dimension {{}}".format(channels, dimension)
            raise ValueError("expected {{}}, found the shape {{}}".format(wanted, list(x.shape)))
        if not named and x.dim() > 2 and x.shape[-1] == channels:
            raise ValueError("channels may be in dimension 1 or -1 of {{}}: say dimension=".format(list(x.shape)))
        shape[dimension] = -1
    return beta.view(shape)


torch.fx.wrap("{function}")  # symbolic tracing takes them as they are
torch.fx.wrap("_by_channel")
'''
_PLAIN = """\

    def extra_repr(self) -> str:
        return "{plain}"

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return {function}(input)


torch.fx.wrap("{function}")  # symbolic tracing takes it as it is
"""
_ONCE = """\
    if x.dtype == torch.float16 or x.dtype == torch.bfloat16:  # too narrow for what is inside: rounded once
        return _formula({wide}).to(x.dtype)
    return _formula({arguments})
"""
_EXPORTING = """\
    if not torch.jit.is_scripting():
        if torch.onnx.is_in_onnx_export():
            wide = torch.promote_types(x.dtype, torch.float32)
            return _for_onnx({wide}).to(x.dtype)
"""
_COMPILING = """\
    if not torch.jit.is_scripting():
        if torch.compiler.is_compiling():  # the same, where a compiler would keep a mask and be slow with it
{lines}
"""
_LEAN = '''\
class _Lean(torch.autograd.Function):
    """Keeps its input alone for the backward pass, and computes the rest again."""

    generate_vmap_rule = True

    @staticmethod
    def forward({arguments}):
        return _plain({arguments})

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, slope):
{backward}

    @staticmethod
    def jvp(ctx, {tangents}):
{jvp}


def {function}({parameters}) -> torch.Tensor:
    """Return {formula}, elementwise; only the input is kept for the backward pass."""
    if not torch.jit.is_scripting():
        if not torch.compiler.is_compiling() and not torch.onnx.is_in_onnx_export():
            if not torch._C._are_functorch_transforms_active():  # whose second forward mode would be 0
                return _Lean.apply({arguments})
    return _plain({arguments})  # a compiler keeps the input alone by itself
'''
_TWO = (
    """\
        x, beta = ctx.saved_tensors
        to_x, to_beta = _slopes(x, beta, slope)
        return to_x.sum_to_size(x.shape).to(x.dtype), to_beta.sum_to_size(beta.shape).to(beta.dtype)""",
    """\
        x, beta = ctx.saved_tensors
        shape = torch.broadcast_shapes(x.shape, beta.shape)
        found = x.new_zeros(shape)
        if of_x is not None:
            found = found + _slopes(x, beta, of_x.expand(shape))[0]
        if of_beta is not None:
            found = found + _slopes(x, beta, of_beta.expand(shape))[1]
        return found.to(x.dtype) if x.dtype == torch.float16 or x.dtype == torch.bfloat16 else found""",
)
_ONE = (
    """\
        (x,) = ctx.saved_tensors
        return _slopes(x, slope).to(x.dtype)""",
    """\
        (x,) = ctx.saved_tensors
        return _slopes(x, of_x).to(x.dtype)""",
)


def torch_source(discovery: Discovery, *, lean: bool = False) -> str:
    """Return the whole file.

    Args:
        discovery: the function.
        lean: whether its function keeps only its input for the backward pass.

    Raises:
        NoCounterpart: lean, and a row of the user's own calls what no slope is known of.
    """
    blocks = [f'"""{discovery.head}\n\nNeeds torch alone.\n"""\n\nfrom typing import Optional\n\nimport torch\n']
    lean = lean and discovery.expression != INPUT_NODE  # x itself keeps nothing
    return "\n\n".join([*blocks, *_functions(discovery, lean=lean), class_source(discovery)])


def class_source(discovery: Discovery) -> str:
    """Return the class, which calls the function."""
    plain = discovery.written.plain.replace('"', "'").replace("{", "{{").replace("}", "}}")
    has_beta = discovery.has_beta
    head = _CLASS.format(
        name=discovery.name,
        formula=_sentence(discovery),
        start=discovery.start,
        channels="number of trainable betas, one per channel, or 1 for the whole layer." if has_beta else
        "not needed: taken, so that files of this kind can stand for one another; the next three too.",
        dimension="which dimension of the input is the channels': by default 1, and an input where it may as well "
        "be the\n            last one is refused." if has_beta else "the same.",
        beta="where every beta starts." if has_beta else "the same.",
        frozen="whether the betas are not trained." if has_beta else "the same.",
    )  # fmt: skip
    return head + (_WITH_BETA if has_beta else _PLAIN).format(function=discovery.function, plain=plain)


def lean_parts(discovery: Discovery) -> list[str]:
    """Return the definitions of ``_plain`` and ``_slopes``."""
    return _functions(discovery, lean=True)[:-1]


def _sentence(discovery: Discovery) -> str:
    name, call = native(discovery.expression)
    formula = discovery.written.plain
    return f"{formula}: torch's own {name}, equal up to rounding." if call else formula


def _functions(discovery: Discovery, *, lean: bool) -> list[str]:
    """Return the definitions in front of the class."""
    expression, has_beta = discovery.expression, discovery.has_beta
    name, call = native(expression)
    parameters = "x: torch.Tensor, beta: torch.Tensor" if has_beta else "x: torch.Tensor"
    arguments, formula = "x, beta" if has_beta else "x", _sentence(discovery)
    lines = "\n".join(f"    {line}" for line in function_lines(expression))
    if compiled := lines_for_a_compiler(expression):
        lines = _COMPILING.format(lines="\n".join(f"            {line}" for line in compiled)) + lines
    blocks, onnx = list[str](), ""
    if name not in EXPORTED and (text := _for_onnx(discovery, parameters)):
        blocks, onnx = [text], _EXPORTING.format(wide="x.to(wide), beta.to(wide)" if has_beta else "x.to(wide)")
    public = "_plain" if lean else discovery.function
    if name in ROUNDED_ONCE:
        blocks.append(f'def {public}({parameters}) -> torch.Tensor:\n    """Return {formula}"""\n{onnx}{lines}\n')
    else:
        wide = "x.float(), beta.float()" if has_beta else "x.float()"
        blocks.append(f"def _formula({parameters}) -> torch.Tensor:\n{lines}\n")
        said = f'    """Return {formula}, elementwise."""\n' if not call else f'    """Return {formula}"""\n'
        once = _ONCE.format(wide=wide, arguments=arguments)
        blocks.append(f"def {public}({parameters}) -> torch.Tensor:\n{said}{onnx}{once}")
    return [*blocks, *(_lean(discovery, parameters, arguments) if lean else [])]


def _for_onnx(discovery: Discovery, parameters: str) -> str:
    """Return the function in operators that torch's exporters to ONNX have; empty where it is already, or has none."""
    try:
        graph = discovery.graph
        names = {node.name for node in parts(graph)}
        is_delicate = "sigmoid" in names and (degree := _degree(graph)) != 1 and degree != 0
        if not is_delicate and not names & ONNX_LACKS:
            return ""
        text = write([graph], ONNX_EXACT if is_delicate else TORCH_FOR_ONNX)
    except (NoCounterpart, NotInLanguage):
        return ""
    body = "\n".join(f"    {line}" for line in [*text.lines, f"return {text.results[0]}"])
    said = '    """The same in operators that torch can export to ONNX, for that alone."""'
    helpers: list[str] = []
    for helper in text.helpers:
        helpers += [part for part in helper.split("\n\n\n") if part not in helpers]
    return "\n\n\n".join([*helpers, f"def _for_onnx({parameters}) -> torch.Tensor:\n{said}\n{body}\n"])


def _degree(node: Node) -> int | None:
    """Return the degree in x of a graph of sums and products, in which a sigmoid of a line counts as a number.

    None of anything else: there a sigmoid that is wrong by 1.5e-8, as onnxruntime's is from x = -18 on and nearly so
    before, may be divided by, or multiplied by what is large.
    """
    degrees = [_degree(part) for part in node.arguments]
    known = [degree for degree in degrees if degree is not None]
    if len(known) < len(degrees) or (node.name == "sigmoid" and known[0] > 1):
        return None
    rules: dict[str, Callable[[], int]] = {
        "x": lambda: 1, "beta": lambda: 0, "number": lambda: 0, "sigmoid": lambda: 0, "neg": lambda: known[0],
        "add": lambda: max(known), "sub": lambda: max(known), "mul": lambda: sum(known),
    }  # fmt: skip
    return rules[node.name]() if node.name in rules else None


def _lean(discovery: Discovery, parameters: str, arguments: str) -> list[str]:
    leaves = (X, BETA) if discovery.has_beta else (X,)
    text = write([derivative(discovery.graph, leaf, SLOPE) for leaf in leaves], TORCH)
    results = ["torch.zeros_like(slope)" if found == "0" else found for found in text.results]
    body = "\n".join(f"    {line}" for line in [*text.lines, f"return {', '.join(results)}"])
    backward, jvp = _TWO if discovery.has_beta else _ONE
    wide = "\n".join(f"        {name} = {name}.float()" for name in [*arguments.split(", "), "slope"])
    slopes = (
        f"def _slopes({arguments}, slope):\n"
        '    """Return the slope behind times df/dx, and times df/dbeta where there is one."""\n'
        f"    if x.dtype == torch.float16 or x.dtype == torch.bfloat16:\n{wide}\n{body}\n"
    )
    made = _LEAN.format(
        arguments=arguments, backward=backward, jvp=jvp, function=discovery.function, parameters=parameters,
        formula=_sentence(discovery), tangents="of_x, of_beta" if discovery.has_beta else "of_x",
    )  # fmt: skip
    return [*("\n".join([helper, ""]) for helper in text.helpers), slopes, made]
