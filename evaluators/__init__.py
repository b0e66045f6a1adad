"""HOW GOOD an activation is: tasks, child networks trained as populations, and the pools of workers that train them."""
