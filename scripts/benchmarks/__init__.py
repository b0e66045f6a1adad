"""How fast it is, with what was measured in results/."""
