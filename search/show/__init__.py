"""The printed tables of a run, its event files and its trackers."""
