"""A proposer of your own: it draws near the best function so far, and a search runs with it.

``DrawingProposer`` sees to it that each behaviour is proposed once, and that the state is kept. The class says how
strings are drawn, and what it learns.
"""

import actsearch
from actsearch.search.proposers.drawing import DrawingProposer


class NearTheBest(DrawingProposer):
    """Draws evenly, or what differs from the best so far in one token."""

    best, reward = None, float("-inf")

    def draws(self, count):
        while True:
            drawn = self.space.draw(self.generator)
            yield drawn
            for index in range(len(drawn)) if self.best else ():
                near = (*self.best[:index], drawn[index], *self.best[index + 1 :])
                if self.space.is_legal(near):
                    yield near

    def learn(self, proposals, rewards):
        for proposal, reward in zip(proposals, rewards):
            if reward > self.reward:
                self.best, self.reward = proposal.tokens, reward
        return {"best": self.reward}

    def state(self):
        return super().state() | {"best": self.best, "reward": self.reward}

    def restore(self, state):
        super().restore(state)
        self.best, self.reward = state["best"], state["reward"]


if __name__ == "__main__":
    changes = ["task={name: digits, steps: 60}", "pool.kind=serial", "budget.children=40", "ladder=[]"]
    changes += ["final={top: 2, steps: 120}", "proposer.name=07_own_proposer.py:NearTheBest"]
    run = actsearch.launch(actsearch.load(None, *changes), "runs/gallery-7")
    print(*run.verdict, sep="\n")
    run.plot("best").save("07_own_proposer.svg")
