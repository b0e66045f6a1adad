"""Render the public API, what ``import actsearch`` gives, as HTML: python -m scripts.render_api [DIRECTORY]."""

import sys
from pathlib import Path

import pdoc

import actsearch


def main() -> None:
    """Render every public name; a name that cannot be loaded, or that says nothing of itself, ends it."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/api")
    for name in actsearch.__all__:
        if not name.startswith("_") and not getattr(actsearch, name).__doc__:
            sys.exit(f"'{name}' has no docstring")
    pdoc.render.configure(docformat="google")
    pdoc.pdoc("actsearch", output_directory=target)
    print(f"{target / 'actsearch.html'}: {len(actsearch.__all__)} names")


if __name__ == "__main__":
    main()
