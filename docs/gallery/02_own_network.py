"""Your own network: a function that returns it with its data is all that a search needs.

The network learns to tell two moons apart. The search puts each candidate in the place of its tanh layers. The answer
compares with tanh, since that is what the network has now.
"""

import functools

import torch
from sklearn.datasets import make_moons
from torch import nn

import actsearch


@functools.cache
def data():
    points, classes = make_moons(900, noise=0.25, random_state=0)
    x, y = torch.tensor(points, dtype=torch.float32), torch.tensor(classes)
    return {"train": (x[:500], y[:500]), "validation": (x[500:700], y[500:700]), "test": (x[700:], y[700:])}


def build(settings):
    net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 2))
    return net, data()


if __name__ == "__main__":
    changes = ["task={name: own, steps: 150, batch: 32, own: {build: '02_own_network.py:build'}}", "pool.kind=serial"]
    settings = actsearch.load(None, *changes, "budget.trainings=40", "baselines=[relu, gelu, swish, sin(x)]")
    run = actsearch.launch(settings, "runs/gallery-2")
    print(*run.verdict, sep="\n")
    run.plot("answer").save("02_own_network.svg")
