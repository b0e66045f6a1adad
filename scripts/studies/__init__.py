"""The studies: each computes and prints, with its rows in results/."""
