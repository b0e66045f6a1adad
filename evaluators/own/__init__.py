"""The user's own network, data or training: found, tried before anything is trained, and given the candidate."""
