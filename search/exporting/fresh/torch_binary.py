"""Make a binary from an exported torch file: TorchScript, torch.export, ONNX or the state as safetensors.

Arguments: the file, the class, the kind, the target, and the text to store with it. Imports torch, and the packages
that ONNX and safetensors need.
"""

import inspect
import json
import logging
import runpy
import sys
import warnings

import torch

OPSET = 20


def main() -> None:
    """Write the binary."""
    path, name, kind, target, text = sys.argv[1:6]
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    module = runpy.run_path(path, run_name="exported")[name]()
    names = [*inspect.signature(module.forward).parameters]
    example = tuple(torch.linspace(-3, 3, 12).reshape(4, 3) for _ in names)
    shapes = tuple((torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC) for _ in names)
    if kind == "torchscript":
        torch.jit.save(torch.jit.script(module), target, _extra_files={"actsearch.txt": text})
    elif kind == "export":
        program = torch.export.export(module, example, dynamic_shapes=shapes)
        torch.export.save(program, target, extra_files={"actsearch.txt": text})
    elif kind == "onnx":
        onnx_program = torch.onnx.export(
            module, example, dynamo=True, dynamic_shapes=shapes, opset_version=OPSET,
            input_names=names if len(names) > 1 else ["x"],
            output_names=["y"], verbose=False,
        )  # fmt: skip
        assert onnx_program is not None
        onnx_program.model.doc_string = text
        onnx_program.save(target)
        domains = {node.domain for node in onnx_program.model.graph}
        assert domains <= {"", "ai.onnx"}, f"operators of {domains}"
    else:
        from safetensors.torch import save_file

        save_file(module.state_dict(), target, metadata={"actsearch": json.dumps(text)})


if __name__ == "__main__":
    main()
