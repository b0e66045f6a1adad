"""The user's own network, data or training: find it, check it before training, and put the candidate into it."""
