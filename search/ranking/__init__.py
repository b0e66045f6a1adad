"""From outcomes to a ranking with its uncertainty."""
