"""HOW GOOD an activation is: tasks, their child networks, and the pools of workers that train them."""
