"""A function as ONNX: exported, and computed by onnxruntime beside PyTorch.

``export`` compares each file with what was trained before it says done; this looks once more.
"""

import matplotlib
import numpy as np
import onnxruntime
import torch

import actsearch

matplotlib.use("svg")
from matplotlib import pyplot

found = actsearch.read("mul(x,sigmoid(scale(x)))")
actsearch.export(found, "swish.onnx", to="onnx", force=True)
session = onnxruntime.InferenceSession("swish.onnx", providers=["CPUExecutionProvider"])
x = np.linspace(-6, 6, 241, dtype=np.float32).reshape(1, -1)
(there,) = session.run(None, {session.get_inputs()[0].name: x})
here = found.make(1)(torch.from_numpy(x)).detach().numpy()
print(f"largest difference {np.abs(there - here).max():.1e}")
figure, axes = pyplot.subplots(figsize=(6, 3))
axes.plot(x[0], here[0], label="PyTorch", linewidth=4, alpha=0.4)
axes.plot(x[0], there[0], "--", label="onnxruntime")
axes.legend()
figure.savefig("08_onnx.svg", bbox_inches="tight")
