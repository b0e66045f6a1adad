"""A training loop of your own: the study asks for trainings, the loop reports a number for each.

Whatever the loop does is its own affair: its data, its optimiser, its schedule. Several processes may run the same
program; they share the study.
"""

import torch
from torch import nn

import actsearch

X = torch.randn(600, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] * X[:, 1]).tanh() + 0.1 * X[:, 2]


def loss_of(net, rows):
    return (net(X[rows]).squeeze(1) - Y[rows]).square().mean()


study = actsearch.Study("runs/gallery-3", steps=60, seed=3, changes=["ladder=[]", "final={top: 2, seeds: 8}"])
for trial in study.trials(children=12):
    act = trial.activation
    net = nn.Sequential(nn.Linear(6, 24), act(24), nn.Linear(24, 24), act(24), nn.Linear(24, 1))
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for step in range(trial.steps):
        loss = loss_of(net, slice(0, 300))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        trial.report(step, loss)
    with torch.no_grad():
        trial.done(validation=loss_of(net, slice(300, 450)), test=loss_of(net, slice(450, 600)))

print(*study.verdict, sep="\n")
study.plot("best").save("03_own_loop.svg")
