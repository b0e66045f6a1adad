"""Regression: the loss is said by name, metrics stand beside it.

The task is Friedman's first function, a usual test of tabular regression (Friedman 1991, section 4.3). The score is
the mean squared error; r2 is reported and chooses nothing.
"""

import torch
from sklearn.datasets import make_friedman1
from torch import nn

import actsearch


def build(settings):
    inputs, targets = make_friedman1(1200, noise=0.5, random_state=0)
    x, y = torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32).view(-1, 1) / 5
    net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    return net, {"train": (x[:700], y[:700]), "validation": (x[700:950], y[700:950]), "test": (x[950:], y[950:])}


if __name__ == "__main__":
    own = "{build: '04_regression.py:build', loss: mse, metrics: [r2]}"
    changes = [f"task={{name: own, steps: 150, batch: 32, own: {own}}}", "pool.kind=serial", "budget.trainings=40"]
    run = actsearch.launch(actsearch.load(None, *changes), "runs/gallery-4")
    print(*run.verdict, sep="\n")
    print(run.top(5)[["expression", "standing", "score", "test_r2"]].to_string(index=False))
    run.plot("cost").save("04_regression.svg")
