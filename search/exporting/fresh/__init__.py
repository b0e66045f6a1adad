"""Programs that look at an exported file where it will be used: in an interpreter without this project.

Each is run by itself (``proof``), imports nothing of this project, and writes the file's numbers at given points.
"""
