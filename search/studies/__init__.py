"""Measuring the engine itself: tables of whole spaces, replays, contests. No run needs any of it."""
