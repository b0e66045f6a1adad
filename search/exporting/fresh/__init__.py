"""Programs that run an exported file where it will be used: in an interpreter without this project.

Each program runs alone (``proof``), imports nothing of this project, and writes the file's numbers at chosen points.
"""
