"""Export to Python files for NumPy, JAX, Flax and Keras.

Each file computes half precision in single precision and rounds once. JAX and Keras differentiate by themselves; the
NumPy file contains the slopes. Not here: the syntax of operations (``languages``).
"""

from collections.abc import Sequence

from actsearch.grammar.formats.discovery import Discovery, count_text, start_text
from actsearch.grammar.formats.languages import JAX, KERAS, NUMPY
from actsearch.grammar.parameter import Parameter
from actsearch.grammar.program.node import Node
from actsearch.grammar.program.writing import Language, write

_NUMPY = '''\
@np.errstate(all="ignore")
def {function}({parameters}):
    """Return {says}, elementwise, in the precision of {x}; whole numbers become double precision."""
    {names} = {arrays}
    kind = {x}.dtype if np.issubdtype({x}.dtype, np.floating) else np.dtype(np.float64)
    wide = np.promote_types(kind, np.float32)  # half precision is too narrow for what is inside: rounded once
    {names} = {widened}
{body}
'''
_JAX = '''\
def {function}({parameters}):
    """Return {says}, elementwise, in the precision of {x}."""
    {names} = {arrays}
    kind = {x}.dtype if jnp.issubdtype({x}.dtype, jnp.floating) else jnp.result_type(float)
    wide = jnp.promote_types(kind, jnp.float32)  # half precision is too narrow for what is inside: rounded once
    {names} = {widened}
{body}
'''
_FLAX_TRAINED = '''\
class {Name}(nn.Module):
    """{says}, with trainable {trainable}.

    Args:
        channels: number of values of each parameter, one per channel, or 1 for the whole layer.
        dimension: which dimension of the input is the channels'; the last one, as Flax has it.
{documented}
    """

    channels: int = 1
    dimension: int = -1
{declared}

    @nn.compact
    def __call__(self, {inputs}):
{made}
        shape = [1] * {x}.ndim
        if self.channels > 1:
            if {x}.shape[self.dimension] != self.channels:
                wanted = f"{{self.channels}} channels in dimension {{self.dimension}}"
                raise ValueError(f"expected {{wanted}}, found the shape {{{x}.shape}}")
            shape[self.dimension] = self.channels
        return {function}({inputs}, {given})
'''
_FLAX = '''\
class {Name}(nn.Module):
    """{says}."""

    @nn.compact
    def __call__(self, {inputs}):
        return {function}({inputs})
'''
_KERAS = '''\
@keras.saving.register_keras_serializable("actsearch", "{function}: {saved}")
def {function}({parameters}):
    """Return {says}, elementwise, in the precision of {x}."""
    {x} = ops.convert_to_tensor({x})
    kind = keras.backend.standardize_dtype({x}.dtype)
    kind = kind if "float" in kind else keras.config.floatx()
    wide = "float32" if kind in ("float16", "bfloat16") else kind  # too narrow for what is inside: rounded once
    {names} = {widened}
{body}


@keras.saving.register_keras_serializable("actsearch", "{saved}")
class {Name}(keras.layers.Layer):
    """{says}{layer_says}

'''
_KERAS_TRAINED = '''\
    Args:
        channels: number of values of each parameter, one per channel, or 1 for the whole layer.
        axis: which one of the input is the channels'; the last one, as Keras has it.
{documented}
    """

    def __init__(self, channels=1, axis=-1, {declared}, **rest):
        super().__init__(**rest)
        self.channels, self.axis = channels, axis
{kept}
        self.supports_masking = True

    def build(self, shape):
        there = -len(shape) <= self.axis < len(shape)
        if self.channels > 1 and not (there and shape[self.axis] == self.channels):
            raise ValueError(f"expected {{self.channels}} channels in axis {{self.axis}}, found the shape {{shape}}")
{made}

    def call(self, {inputs}):
        shape = [1] * len({x}.shape)
        if self.channels > 1:
            shape[self.axis] = self.channels
        return {function}({inputs}, {given})

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {{**super().get_config(), "channels": self.channels, "axis": self.axis, {config}}}
'''
_KERAS_PLAIN = '''\
    It has no parameters.
    """

    def __init__(self, **rest):
        super().__init__(**rest)
        self.supports_masking = True

    def call(self, {inputs}):
        return {function}({inputs})

    def compute_output_shape(self, shape):
        return shape
'''


def _body(graph: Node, language: Language, cast: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the lines of a function body, and its helpers; ``cast`` is a template around the result."""
    text = write([graph], language)
    lines = [*text.lines, f"return {cast.format(text.results[0])}"]
    return [f"    {line}" for line in lines], text.helpers


def _fields(discovery: Discovery, array: str, widened: str) -> dict[str, str]:
    """Return name -> text, for the fields of the templates.

    Args:
        discovery: function to export.
        array: template of the conversion of ``{0}`` to an array.
        widened: template of the conversion of ``{0}`` to the precision of the computation.
    """
    names, inputs, parameters = discovery.function.names, discovery.function.inputs, discovery.parameters
    starts = {parameter.name: start_text(parameter) for parameter in parameters}
    return {
        "function": discovery.function_name,
        "Name": discovery.name,
        "says": discovery.written.plain,
        "saved": ", ".join([str(discovery.expression), *(f"{name}={start}" for name, start in starts.items())]),
        "x": inputs[0],
        "names": ", ".join(names),
        "inputs": ", ".join(inputs),
        "parameters": ", ".join([*inputs, *(f"{name}={start}" for name, start in starts.items())]),
        "arrays": ", ".join(array.format(name) for name in names),
        "widened": ", ".join(widened.format(name) for name in names),
        "trainable": " and ".join(starts),
        "layer_says": f", with trainable {' and '.join(starts)}." if starts else ".",
        "documented": "\n".join(
            f"        {start}: where every {name} starts." for name, start in _start_names(parameters)
        ),
    }


def _start_names(parameters: Sequence[Parameter]) -> list[tuple[str, str]]:
    """Return each parameter's name, and the name of the module argument for its start value."""
    return [(parameter.name, f"{parameter.name}_start" if len(parameters) > 1 else "start") for parameter in parameters]


def _file(discovery: Discovery, needs: str, imports: str, blocks: list[str]) -> str:
    helpers = [block for block in blocks if block.startswith(("from ", "import "))]
    rest = [block.rstrip("\n") + "\n" for block in blocks if block not in helpers]
    head = f'"""{discovery.head}\n\n{needs}\n"""\n\n' + "\n".join([imports, *helpers]) + "\n"
    return "\n\n".join([head, *rest])


def numpy_source(discovery: Discovery) -> str:
    """Return the text of a NumPy file with the function and its slopes; it imports SciPy if NumPy lacks a function.

    Raises:
        NoCounterpart: a user-defined primitive calls torch code that has no counterpart in NumPy.
    """
    fields, blocks = _fields(discovery, "np.asarray({0})", "{0}.astype(wide)"), list[str]()
    function = discovery.function
    shapes = ", ".join(f"{name}.shape" for name in function.names)
    shape = f"np.broadcast_shapes({shapes})" if len(function.names) > 1 else shapes
    names = (discovery.function_name, *discovery.slope_names())
    says = (discovery.written.plain, *(f"df/d{name}" for name in function.names))
    for graph, name, formula in zip((function.plain_graph, *function.slopes), names, says, strict=True):
        body, helpers = _body(graph, NUMPY, f"np.broadcast_to({{0}}, {shape}).astype(kind)")
        blocks += [block for block in helpers if block not in blocks]
        blocks.append(_NUMPY.format(**fields | {"function": name, "says": formula}, body="\n".join(body)))
    return _file(discovery, "Needs NumPy; SciPy where it is imported.", "import numpy as np", blocks)


def jax_source(discovery: Discovery) -> str:
    """Return the text of a JAX file with the function.

    Raises:
        NoCounterpart: a user-defined primitive calls torch code that has no counterpart in JAX.
    """
    return _file(discovery, "Needs JAX.", "import jax\nimport jax.numpy as jnp", _jax_blocks(discovery))


def _jax_blocks(discovery: Discovery) -> list[str]:
    body, helpers = _body(discovery.function.plain_graph, JAX, "({0}).astype(kind)")
    fields = _fields(discovery, "jnp.asarray({0})", "{0}.astype(wide)")
    return [*helpers, _JAX.format(**fields, body="\n".join(body))]


def flax_source(discovery: Discovery) -> str:
    """Return the text of a file with the function and a ``flax.linen`` module.

    Raises:
        NoCounterpart: a user-defined primitive calls torch code that has no counterpart in JAX.
    """
    parameters = discovery.parameters
    start_names = _start_names(parameters)
    line = '        {0} = self.param("{0}", nn.initializers.constant(self.{1}), ({2},))'
    fields = _fields(discovery, "", "") | {
        "declared": "\n".join(
            f"    {start}: float = {start_text(parameter)}"
            for parameter, (_, start) in zip(parameters, start_names, strict=True)
        ),
        "made": "\n".join(
            line.format(name, start, count_text(parameter))
            for parameter, (name, start) in zip(parameters, start_names, strict=True)
        ),
        "given": ", ".join(
            f"{parameter.name}.reshape(shape)" if parameter.place == "channel" else parameter.name
            for parameter in parameters
        ),
    }
    module = (_FLAX_TRAINED if parameters else _FLAX).format(**fields)
    imports = "import flax.linen as nn\nimport jax\nimport jax.numpy as jnp"
    return _file(discovery, "Needs JAX and Flax.", imports, [*_jax_blocks(discovery), module])


def keras_source(discovery: Discovery) -> str:
    """Return the text of a file with the function and a layer, for Keras 3 on any backend.

    Raises:
        NoCounterpart: a user-defined primitive calls torch code that has no counterpart in Keras.
        NotInLanguage: Keras lacks an operation.
    """
    body, helpers = _body(discovery.function.plain_graph, KERAS, "ops.cast({0}, kind)")
    parameters = discovery.parameters
    start_names = _start_names(parameters)
    line = (
        "        self.{0} = self.add_weight(\n            shape=({2},), "
        'initializer=keras.initializers.Constant(self.{1}), name="{0}"\n        )'
    )
    fields = _fields(discovery, "", "ops.cast({0}, wide)") | {
        "declared": ", ".join(
            f"{start}={start_text(parameter)}" for parameter, (_, start) in zip(parameters, start_names, strict=True)
        ),
        "kept": "\n".join(f"        self.{start} = {start}" for _, start in start_names),
        "config": ", ".join(f'"{start}": self.{start}' for _, start in start_names),
        "made": "\n".join(
            line.format(name, start, count_text(parameter))
            for parameter, (name, start) in zip(parameters, start_names, strict=True)
        ),
        "given": ", ".join(
            f"ops.reshape(self.{parameter.name}, shape)" if parameter.place == "channel" else f"self.{parameter.name}"
            for parameter in parameters
        ),
    }
    layer = (_KERAS_TRAINED if parameters else _KERAS_PLAIN).format(**fields)
    source = _KERAS.format(**fields, body="\n".join(body)) + layer
    return _file(discovery, "Needs Keras 3, on any backend.", "import keras\nfrom keras import ops", [*helpers, source])
