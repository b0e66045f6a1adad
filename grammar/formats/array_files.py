"""A discovery -> the text of Python files for NumPy, JAX, Flax and Keras.

Each computes narrow numbers in single precision and rounds once. JAX and Keras differentiate themselves; for NumPy the
slopes are written out. Not here: the operations (``languages``).
"""

from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.languages import JAX, KERAS, NUMPY
from actsearch.grammar.program.node import Node
from actsearch.grammar.program.writing import Language, write

_NUMPY = '''\
@np.errstate(all="ignore")
def {name}({parameters}):
    """Return {says}, elementwise, in the precision of x; whole numbers become double precision."""
    x{and_beta} = np.asarray(x){as_beta}
    kind = x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.float64)
    wide = np.promote_types(kind, np.float32)  # half precision is too narrow for what is inside: rounded once
    x{and_beta} = x.astype(wide){wide_beta}
{body}
'''
_JAX = '''\
def {name}({parameters}):
    """Return {says}, elementwise, in the precision of x."""
    x = jnp.asarray(x)
    kind = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.result_type(float)
    wide = jnp.promote_types(kind, jnp.float32)  # half precision is too narrow for what is inside: rounded once
    x{and_beta} = x.astype(wide){wide_beta}
{body}
'''
_FLAX_BETA = '''\
class {Name}(nn.Module):
    """{says}, with trainable betas.

    Args:
        channels: number of betas, one per channel, or 1 for the whole layer.
        dimension: which dimension of the input is the channels'; the last one, as Flax has it.
        start: of every beta.
    """

    channels: int = 1
    dimension: int = -1
    start: float = {start}

    @nn.compact
    def __call__(self, x):
        beta = self.param("beta", nn.initializers.constant(self.start), (self.channels,))
        shape = [1] * x.ndim
        if self.channels > 1:
            if x.shape[self.dimension] != self.channels:
                wanted = f"{{self.channels}} channels in dimension {{self.dimension}}"
                raise ValueError(f"expected {{wanted}}, found the shape {{x.shape}}")
            shape[self.dimension] = self.channels
        return {name}(x, beta.reshape(shape))
'''
_FLAX = '''\
class {Name}(nn.Module):
    """{says}."""

    @nn.compact
    def __call__(self, x):
        return {name}(x)
'''
_KERAS = '''\
@keras.saving.register_keras_serializable("actsearch", "{name}: {saved}")
def {name}({parameters}):
    """Return {says}, elementwise, in the precision of x."""
    x = ops.convert_to_tensor(x)
    kind = keras.backend.standardize_dtype(x.dtype)
    kind = kind if "float" in kind else keras.config.floatx()
    wide = "float32" if kind in ("float16", "bfloat16") else kind  # too narrow for what is inside: rounded once
    x{and_beta} = ops.cast(x, wide){wide_beta}
{body}


@keras.saving.register_keras_serializable("actsearch", "{saved}")
class {Name}(keras.layers.Layer):
    """{says}{layer_says}

'''
_KERAS_BETA = '''\
    Args:
        channels: number of betas, one per channel, or 1 for the whole layer.
        axis: which one of the input is the channels'; the last one, as Keras has it.
        start: of every beta.
    """

    def __init__(self, channels=1, axis=-1, start={start}, **rest):
        super().__init__(**rest)
        self.channels, self.axis, self.start = channels, axis, start
        self.supports_masking = True

    def build(self, shape):
        there = -len(shape) <= self.axis < len(shape)
        if self.channels > 1 and not (there and shape[self.axis] == self.channels):
            raise ValueError(f"expected {{self.channels}} channels in axis {{self.axis}}, found the shape {{shape}}")
        self.beta = self.add_weight(
            shape=(self.channels,), initializer=keras.initializers.Constant(self.start), name="beta"
        )

    def call(self, x):
        shape = [1] * len(x.shape)
        if self.channels > 1:
            shape[self.axis] = self.channels
        return {name}(x, ops.reshape(self.beta, shape))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {{**super().get_config(), "channels": self.channels, "axis": self.axis, "start": self.start}}
'''
_KERAS_PLAIN = '''\
    It has no parameters.
    """

    def __init__(self, **rest):
        super().__init__(**rest)
        self.supports_masking = True

    def call(self, x):
        return {name}(x)

    def compute_output_shape(self, shape):
        return shape
'''


def _body(graph: Node, language: Language, cast: str) -> tuple[list[str], tuple[str, ...]]:
    text = write([graph], language)
    lines = [*text.lines, f"return {cast.format(text.results[0])}"]
    return [f"    {line}" for line in lines], text.helpers


def _fields(discovery: Discovery, wide: str) -> dict[str, str]:
    has_beta, start = discovery.has_beta, discovery.start
    return {
        "name": discovery.function,
        "Name": discovery.name,
        "says": discovery.written.plain,
        "saved": f"{discovery.expression}{f', beta={start}' * has_beta}",
        "start": start,
        "parameters": f"x, beta={start}" if has_beta else "x",
        "and_beta": ", beta" if has_beta else "",
        "as_beta": ", np.asarray(beta)" if has_beta else "",
        "wide_beta": f", {wide}" if has_beta else "",
        "layer_says": ", with trainable betas." if has_beta else ".",
    }


def _file(discovery: Discovery, needs: str, imports: str, blocks: list[str]) -> str:
    helpers = [block for block in blocks if block.startswith(("from ", "import "))]
    rest = [block.rstrip("\n") + "\n" for block in blocks if block not in helpers]
    head = f'"""{discovery.head}\n\n{needs}\n"""\n\n' + "\n".join([imports, *helpers]) + "\n"
    return "\n\n".join([head, *rest])


def numpy_source(discovery: Discovery) -> str:
    """Return a file with the function and its slopes, for NumPy; SciPy where NumPy lacks a function.

    Raises:
        NoCounterpart: a row of the user's own does what NumPy cannot be told.
    """
    fields, blocks = _fields(discovery, "beta.astype(wide)"), list[str]()
    names = [discovery.function, f"{discovery.function}_slope", f"{discovery.function}_slope_of_beta"]
    kinds = [discovery.written.plain, "df/dx", "df/dbeta"]
    for graph, name, says in zip((discovery.graph, *discovery.slopes), names, kinds, strict=False):
        cast = "np.broadcast_to({0}, np.broadcast_shapes(x.shape, beta.shape)).astype(kind)"
        body, helpers = _body(
            graph, NUMPY, cast if discovery.has_beta else "np.broadcast_to({0}, x.shape).astype(kind)"
        )
        blocks += [block for block in helpers if block not in blocks]
        blocks.append(_NUMPY.format(**fields | {"name": name, "says": says}, body="\n".join(body)))
    return _file(discovery, "Needs NumPy; SciPy where it is imported.", "import numpy as np", blocks)


def jax_source(discovery: Discovery) -> str:
    """Return a file with the function, for JAX.

    Raises:
        NoCounterpart: a row of the user's own does what JAX cannot be told.
    """
    return _file(discovery, "Needs JAX.", "import jax\nimport jax.numpy as jnp", _jax_blocks(discovery))


def _jax_blocks(discovery: Discovery) -> list[str]:
    body, helpers = _body(discovery.graph, JAX, "({0}).astype(kind)")
    fields = _fields(discovery, "jnp.asarray(beta).astype(wide)")
    return [*helpers, _JAX.format(**fields, body="\n".join(body))]


def flax_source(discovery: Discovery) -> str:
    """Return a file with the function and a ``flax.linen`` module.

    Raises:
        NoCounterpart: a row of the user's own does what JAX cannot be told.
    """
    fields = _fields(discovery, "")
    module = (_FLAX_BETA if discovery.has_beta else _FLAX).format(**fields)
    imports = "import flax.linen as nn\nimport jax\nimport jax.numpy as jnp"
    return _file(discovery, "Needs JAX and Flax.", imports, [*_jax_blocks(discovery), module])


def keras_source(discovery: Discovery) -> str:
    """Return a file with the function and a layer, for Keras 3 on any backend.

    Raises:
        NoCounterpart: a row of the user's own does what Keras cannot be told.
        NotInLanguage: Keras lacks an operation.
    """
    body, helpers = _body(discovery.graph, KERAS, "ops.cast({0}, kind)")
    fields = _fields(discovery, "ops.cast(beta, wide)")
    layer = (_KERAS_BETA if discovery.has_beta else _KERAS_PLAIN).format(**fields)
    made = _KERAS.format(**fields, body="\n".join(body)) + layer
    return _file(discovery, "Needs Keras 3, on any backend.", "import keras\nfrom keras import ops", [*helpers, made])
