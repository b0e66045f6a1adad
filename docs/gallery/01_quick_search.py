"""A search in a minute: 24 candidates on a small 1-D ResNet, and the answer as a picture.

The search trains four known functions and 24 candidates for 200 steps each. The best climb to longer trainings with
fresh seeds. The verdict says what is better than ReLU, and how sure that is.
"""

import actsearch

settings = actsearch.load(None, "budget.children=24", "task.steps=200", "final={top: 2, steps: 400}", "seed=1")
run = actsearch.launch(settings, "runs/gallery-1")
print(*run.verdict, sep="\n")
print(run.top(8)[["expression", "standing", "score", "difference", "p"]].to_string(index=False))
run.plot("answer").save("01_quick_search.svg")
