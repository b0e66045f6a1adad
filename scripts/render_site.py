"""Build the site of the manuals: python -m scripts.render_site [--gallery] [DIRECTORY].

Manuals and pages of ``docs`` become pages as they are; links between them are kept. Each script of the gallery is run,
and shown with what it prints and its picture; without ``--gallery`` it is shown alone. The public names are rendered
from their docstrings. No network is needed, and every warning is an error.
"""

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import actsearch
from scripts.run_readme import READMES

SOURCE = Path("build/pages")
PAGES = {
    "README.md": "index.md", "docs/how_it_works.md": "how_it_works.md", ".github/CONTRIBUTING.md": "contributing.md",
    ".github/CHANGELOG.md": "changelog.md",
    **{name: f"{Path(name).parent.as_posix().replace('/', '_')}.md" for name in READMES if name != "README.md"},
}  # fmt: skip
"""File -> page."""
PICTURES = {".svg", ".png"}
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)]*)?\)")


def page_of(name: str) -> str:
    """Return the text of a page, its links leading to pages; pictures are copied, other files named without a link."""
    folder = Path(name).parent

    def turned(link: re.Match[str]) -> str:
        target, heading = link[1], link[2] or ""
        if not target or target.startswith("http"):
            return link[0]
        path = os.path.normpath(folder / target)
        readme = f"{path}/README.md" if Path(path).is_dir() else path
        if readme in PAGES:
            return f"]({PAGES[readme]}{heading})"
        if Path(path).suffix in PICTURES:
            shutil.copy(path, SOURCE / Path(path).name)
            return f"]({Path(path).name})"
        raise SystemExit(f"{name}: the link to '{target}' leads to no page of the site")

    return LINK.sub(turned, Path(name).read_text(encoding="utf-8"))


def ran(script: Path) -> str:
    """Run a script of the gallery where nothing else is, and return what it prints; its picture is kept."""
    with tempfile.TemporaryDirectory() as empty:
        shutil.copy(script, empty)
        told = subprocess.run([sys.executable, script.name], cwd=empty, capture_output=True, text=True, check=False)
        if told.returncode:
            raise SystemExit(f"{script} failed:\n{told.stderr}")
        picture = Path(empty, script.stem).with_suffix(".svg")
        if not picture.exists():
            raise SystemExit(f"{script} wrote no {picture.name}")
        shutil.copy(picture, SOURCE / "gallery" / picture.name)
        return told.stdout


def gallery_page(script: Path, printed: str) -> str:
    """Return the page of a script: its words, its picture, its lines, and what it prints."""
    text = script.read_text(encoding="utf-8")
    said = (ast.get_docstring(ast.parse(text)) or "").partition("\n")
    lines = text.partition('"""')[2].partition('"""')[2].strip()
    shown = f"![{said[0]}]({script.stem}.svg)\n\n" if printed else ""
    output = f"It prints:\n\n```\n{printed.rstrip()}\n```\n" if printed else ""
    return f"# {said[0].rstrip('.')}\n\n{said[2].strip()}\n\n{shown}```python\n{lines}\n```\n\n{output}"


def api_page() -> str:
    """Return the page of the public names; one that says nothing of itself ends it."""
    lines = ["# The public names\n", "What `import actsearch` gives. Whatever is not named here may change.\n"]
    for name in (name for name in actsearch.__all__ if not name.startswith("_")):
        if not getattr(actsearch, name).__doc__:
            raise SystemExit(f"'{name}' has no docstring")
        lines.append(f"::: actsearch.{actsearch._HOMES[name]}.{name}\n")
    return "\n".join(lines)


def _title(script: Path) -> str:
    number, _, words = script.stem.partition("_")
    return f"{int(number)} {words.replace('_', ' ')}"


def settings_of(target: Path, scripts: list[Path]) -> dict[str, object]:
    """Return the settings of the site."""
    manuals = [PAGES[name] for name in READMES if name != "README.md"]
    return {
        "site_name": "actsearch",
        "docs_dir": str(SOURCE.resolve()),
        "site_dir": str(target.resolve()),
        "use_directory_urls": False,
        "theme": {"name": "material", "font": False, "features": ["navigation.sections", "content.code.copy"]},
        "markdown_extensions": ["tables", "pymdownx.highlight", "pymdownx.superfences", {"toc": {"permalink": True}}],
        "validation": {"links": {"not_found": "warn", "anchors": "warn", "unrecognized_links": "warn"}},
        "plugins": [
            {"mkdocstrings": {"handlers": {"python": {
                "paths": [str(Path(sys.prefix, "typed").resolve())],
                "options": {"show_root_heading": True, "heading_level": 2, "docstring_style": "google",
                            "show_source": False, "show_root_full_path": False, "members_order": "source",
                            "filters": ["!^_"]},
            }}}},
        ],
        "nav": [
            {"Start": "index.md"}, {"How it works": "how_it_works.md"},
            {"Gallery": [{_title(script): f"gallery/{script.stem}.md"} for script in scripts]},
            {"Manuals": manuals}, {"Python": "api.md"},
            {"Project": ["contributing.md", "changelog.md"]},
        ],
    }  # fmt: skip


def main() -> None:
    """Build it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="?", type=Path, default=Path("build/site"))
    parser.add_argument("--gallery", action="store_true", help="run the scripts of the gallery")
    chosen = parser.parse_args()
    shutil.rmtree(SOURCE, ignore_errors=True)
    (SOURCE / "gallery").mkdir(parents=True)
    for name, page in PAGES.items():
        (SOURCE / page).write_text(page_of(name), encoding="utf-8")
    scripts = sorted(Path("docs/gallery").glob("*.py"))
    for script in scripts:
        printed = ran(script) if chosen.gallery else ""
        (SOURCE / "gallery" / f"{script.stem}.md").write_text(gallery_page(script, printed), encoding="utf-8")
    (SOURCE / "api.md").write_text(api_page(), encoding="utf-8")
    config = SOURCE.parent / "mkdocs.yml"
    config.write_text(json.dumps(settings_of(chosen.target, scripts), indent=1), encoding="utf-8")  # YAML, too
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--config-file", str(config)]
    if subprocess.run(words, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=False).returncode:
        raise SystemExit("the site has warnings, each of which is an error")
    print(f"{chosen.target / 'index.html'}: {len(PAGES)} manuals, {len(scripts)} examples, the public names")


if __name__ == "__main__":
    main()
