"""Another activation in a trained network: replace it, and train on for a moment.

The network was trained with ReLU. Its rectifiers become Swish, layer by layer, and a few steps repair what that costs.
``actsearch swap`` does the same from the command line, with a find of a run.
"""

import matplotlib
import torch
from sklearn.datasets import load_digits
from torch import nn

import actsearch

matplotlib.use("svg")
from matplotlib import pyplot

torch.manual_seed(0)
digits = load_digits()
x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def train(steps):
    optimiser, losses = torch.optim.Adam(net.parameters(), 2e-3), []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(x[:1200]), y[:1200])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


before = train(80)
swish = actsearch.read("swish")
replaced = actsearch.replace_activations(net, "torch.nn.ReLU", swish)
print(replaced)
after = train(40)
figure, axes = pyplot.subplots(figsize=(6, 3))
axes.plot(range(80), before, label="with ReLU")
axes.plot(range(80, 120), after, label="with Swish in its place")
axes.set(xlabel="step", ylabel="training loss", yscale="log")
axes.legend()
figure.savefig("05_swap.svg", bbox_inches="tight")
