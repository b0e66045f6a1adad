"""A primitive of your own: a name, its code and its formula; both are compared before anything is trained.

``bump`` is a smooth bump of finite support, which no built-in primitive is. The search may use it like any other.
"""

import actsearch

own = (
    "[{name: bump, arity: 1, code: 'torch.exp(-1 / torch.clamp(1 - a * a / 4, min=0.01))', "
    "formula: 'exp(-1/Max(1 - a**2/4, 0.01))'}]"
)
changes = ["space.primitives=[identity, neg, relu, sigmoid, tanh, add, mul, max]", f"space.own={own}"]
changes += ["task={name: digits, steps: 60}", "pool.kind=serial", "budget.children=25", "final={top: 2, steps: 120}"]
run = actsearch.launch(actsearch.load(None, *changes), "runs/gallery-6")
print(*run.verdict, sep="\n")
mine = run.top(where="", found=True)
print(mine[mine.expression.str.contains("bump")][["position", "expression", "score"]].head().to_string(index=False))
run.plot("size").save("06_own_primitive.svg")
