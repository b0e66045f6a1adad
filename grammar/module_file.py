"""Expression -> the text of a Python file that imports torch alone and holds the function as an ``nn.Module``.

The function's body is the one that was trained (``render``). Not here: writing the file and proving it (``search``'s
export).
"""

from actsearch.grammar.expression import Expression
from actsearch.grammar.render import function_source

_WITH_BETA = '''\
class {name}(torch.nn.Module):
    """{expression}

    Args:
        channels: number of trainable betas, one per channel, or 1 for the whole layer.
        dimension: which dimension of the input is the channels'.
        beta: where every beta starts.
    """

    def __init__(self, channels: int = 1, dimension: int = 1, beta: float = {start}) -> None:
        super().__init__()
        self.dimension = dimension
        self.beta = torch.nn.Parameter(torch.full((channels,), float(beta)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels = self.beta.numel()
        if channels == 1:
            return activation(x, self.beta)
        if not -x.dim() <= self.dimension < x.dim() or x.shape[self.dimension] != channels:
            wanted = f"{{channels}} channels in dimension {{self.dimension}}"
            raise ValueError(f"expected {{wanted}}, found the shape {{tuple(x.shape)}}")
        shape = [1] * x.dim()
        shape[self.dimension] = -1
        return activation(x, self.beta.view(shape))
'''
_PLAIN = '''\
class {name}(torch.nn.Module):
    """{expression}"""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activation(x)
'''


def module_source(expression: Expression, *, name: str = "Activation", beta_start: float = 1.0) -> str:
    """Return the whole file.

    Args:
        expression: the function.
        name: of the class.
        beta_start: value of beta at the start, as in training.
    """
    parameters = ("x", "beta") if expression.uses_beta else ("x",)
    template = _WITH_BETA if expression.uses_beta else _PLAIN
    return "\n\n".join(
        (
            f'"""{expression}: written by an activation search; needs torch alone."""\n\nimport torch\n',
            function_source(expression, parameters),
            template.format(name=name, expression=expression, start=beta_start),
        )
    )
