"""The export formats, as ``--to`` lists them: how each is written and proven.

Not here: the texts of the files (``grammar.formats``).
"""

from collections.abc import Callable
from dataclasses import dataclass

from actsearch.grammar.formats.array_files import flax_source, jax_source, keras_source, numpy_source
from actsearch.grammar.formats.c_file import c_source
from actsearch.grammar.formats.data_files import json_source, latex_source, sympy_source
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.plugins import installed, loaded
from actsearch.search.exporting import provers
from actsearch.search.exporting.proof import Prove


@dataclass(frozen=True)
class Format:
    """An export format.

    Args:
        suffix: end of the file's name.
        says: description in one line.
        prove: function that runs the file and compares its numbers.
        write: function that returns the file's text; None for a binary, which is made from the torch file.
        needs: modules that are needed to make the file.
    """

    suffix: str
    says: str
    prove: Prove
    write: Callable[[Discovery], str] | None = None
    needs: tuple[str, ...] = ()


FORMATS = {
    "torch": Format(".py", "a function and an nn.Module that need torch alone", provers.of_torch, torch_source),
    "torchscript": Format(".pt", "TorchScript, to be loaded from C++ too", provers.of_binary("torchscript")),
    "export": Format(".pt2", "a program of torch.export, any shape of two dimensions", provers.of_binary("export")),
    "onnx": Format(
        ".onnx", "ONNX of opset 20, standard operators, two dimensions of any size",
        provers.of_binary("onnx", "onnxruntime"), needs=("onnx", "onnxscript"),
    ),
    "safetensors": Format(
        ".safetensors", "the parameters, to be loaded into the module of torch's file",
        provers.of_binary("safetensors", "safetensors"), needs=("safetensors",),
    ),
    "jax": Format("_jax.py", "a function for JAX", provers.of_jax, jax_source),
    "flax": Format("_flax.py", "a function for JAX and a module of Flax (linen)", provers.of_jax, flax_source),
    "keras": Format("_keras.py", "a function and a layer for Keras 3, on any backend", provers.of_keras, keras_source),
    "numpy": Format("_numpy.py", "a function and its slopes for NumPy", provers.of_numpy, numpy_source),
    "c": Format(".h", "a header of C99: value and slopes, float and double", provers.of_c, c_source),
    "latex": Format(".tex", "the formula", provers.of_latex, latex_source),
    "sympy": Format("_sympy.py", "formula and slope for SymPy", provers.of_sympy, sympy_source),
    "json": Format(".json", "data, which this project reads back", provers.of_json, json_source),
}  # fmt: skip
FORMATS |= {name: loaded("formats", name, Format) for name in installed("formats") if name not in FORMATS}
"""Name -> format; formats of installed plug-ins come last."""
