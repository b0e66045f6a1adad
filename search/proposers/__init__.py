"""The proposers, which choose the next candidates; ``registry`` lists them by name."""
