"""Writing a discovery in several formats: all files are made and proven in a scratch directory, then put in place.

Not here: the formats (``formats``) and the facts about a discovery (``facts``).
"""

import contextlib
import difflib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from actsearch.grammar.expression import X
from actsearch.grammar.fault import NotInstalled, UserFault
from actsearch.grammar.formats.discovery import BadName, Discovery
from actsearch.grammar.formats.languages import TORCH_FOR_ONNX
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.program.writing import write
from actsearch.search.exporting.formats import FORMATS
from actsearch.search.exporting.placing import check_target, put
from actsearch.search.exporting.proof import FRESH, Job, NotProven, Proof, need, run
from actsearch.search.exporting.reference import reference


def name_of(formats: Sequence[str], target: Path | None) -> str | None:
    """Return the function's name taken from the target, or None unless a C header is written.

    One C program may include several headers, so their functions need different names.

    Args:
        formats: names of the formats to write.
        target: path of the file for one format; common beginning of the paths for several.
    """
    if "c" not in formats or target is None or target.is_dir():
        return None
    words = [word for word in re.split(r"[^A-Za-z0-9]+", target.stem) if word]
    name = "".join(word[0].upper() + word[1:] for word in words)
    for candidate in (name, f"My{name}"):  # exp means something else in C
        with contextlib.suppress(BadName):
            return Discovery(X, candidate).name
    return None


def files_of(formats: Sequence[str], target: Path | None, name: str) -> dict[str, Path]:
    """Return the path of the file for each format.

    Args:
        formats: names of the formats.
        target: path of the file for one format; common beginning of the paths for several. None uses the function's
            name in the working directory.
        name: name of the function.

    Raises:
        UserFault: a format does not exist, or no format is named.
    """
    if not formats:
        raise UserFault(f"no format is named; expected some of {', '.join(FORMATS)}")
    for kind in formats:
        if kind not in FORMATS:
            near = difflib.get_close_matches(kind, FORMATS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(FORMATS)}"
            raise UserFault(f"there is no format '{kind}'; {hint}")
    if len(formats) == 1 and target is not None and not target.is_dir():
        return {formats[0]: target}
    if target is None or target.is_dir():
        target = (target or Path()) / name
    base = target.with_suffix("") if target.suffix in {one.suffix for one in FORMATS.values()} else target
    return {kind: base.with_name(base.name + FORMATS[kind].suffix) for kind in formats}


def ship(
    discovery: Discovery, targets: Mapping[str, Path], *, force: bool = False, whole: bool = True
) -> dict[str, Proof]:
    """Write a discovery to files and return the proof of each.

    Args:
        discovery: function to write.
        targets: format -> path of its file.
        force: whether to replace files that exist.
        whole: whether to run the slow checks of torch files too (seconds); otherwise only compare numbers and shapes.

    Raises:
        ExportFailed: a file cannot be used alone, or differs from what was trained; nothing was written.
        BadTarget: a file exists already, or cannot be written.
        UserFault: a format cannot hold the function; the message says why.
    """
    for target in targets.values():
        check_target(target, force=force)
    contents, proofs = dict[str, bytes](), dict[str, Proof]()
    with tempfile.TemporaryDirectory(prefix="actsearch-export-") as directory:
        scratch = Path(directory)
        torch_file = scratch / "exported_torch.py"
        torch_file.write_text(torch_source(discovery), encoding="utf-8")
        expected = reference(discovery.function)
        for kind in targets:
            suffix = FORMATS[kind].suffix
            file = torch_file if kind == "torch" else scratch / f"exported{suffix}"
            job = Job(discovery, expected, scratch, file, torch_file, whole)
            _make(kind, job)
            try:
                proofs[kind] = FORMATS[kind].prove(job)
            except NotProven as fault:
                proofs[kind] = Proof({}, missing=str(fault))
            contents[kind] = file.read_bytes()
    for kind, target in targets.items():
        put(contents[kind], target)
    return proofs


def _make(kind: str, job: Job) -> None:
    """Make the file of a format in the scratch directory."""
    form = FORMATS[kind]
    if form.write is not None:  # errors="replace": the name of a run's directory may not be UTF-8
        if job.file != job.torch_file:
            job.file.write_text(form.write(job.discovery), encoding="utf-8", errors="replace")
        return
    if kind == "onnx":
        write([job.discovery.function.plain_graph], TORCH_FOR_ONNX)  # raises if ONNX lacks an operator
    try:
        need(*form.needs)
    except NotProven as fault:
        raise NotInstalled(f"'{kind}' cannot be made: {fault}") from fault
    run(job.scratch, FRESH / "torch_binary.py", job.torch_file, job.discovery.name, kind, job.file, job.discovery.head)
