"""Writing a discovery in some formats: all are made and proven beside first, then put in their places.

Not here: the formats (``formats``) and what is known of a discovery of a run (``facts``).
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
    """Return the name that a file's own name gives, where one program may hold several: headers of C; else None.

    Args:
        formats: that are written.
        target: of one format its file; of several what their names begin with.
    """
    if "c" not in formats or target is None or target.is_dir():
        return None
    words = [word for word in re.split(r"[^A-Za-z0-9]+", target.stem) if word]
    name = "".join(word[0].upper() + word[1:] for word in words)
    for found in (name, f"My{name}"):  # exp means something else in C
        with contextlib.suppress(BadName):
            return Discovery(X, found).name
    return None


def files_of(formats: Sequence[str], target: Path | None, name: str) -> dict[str, Path]:
    """Return where each format is written.

    Args:
        formats: their names.
        target: of one format its file; of several what their names begin with. None: the function's name, here.
        name: the function's.

    Raises:
        UserFault: there is no such format, or none is named.
    """
    if not formats:
        raise UserFault(f"no format is named; expected some of {', '.join(FORMATS)}")
    for asked in formats:
        if asked not in FORMATS:
            near = difflib.get_close_matches(asked, FORMATS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(FORMATS)}"
            raise UserFault(f"there is no format '{asked}'; {hint}")
    if len(formats) == 1 and target is not None and not target.is_dir():
        return {formats[0]: target}
    if target is None or target.is_dir():
        target = (target or Path()) / name
    base = target.with_suffix("") if target.suffix in {one.suffix for one in FORMATS.values()} else target
    return {asked: base.with_name(base.name + FORMATS[asked].suffix) for asked in formats}


def ship(
    discovery: Discovery, targets: Mapping[str, Path], *, force: bool = False, whole: bool = True
) -> dict[str, Proof]:
    """Write a discovery to files and return what was seen of each.

    Args:
        discovery: the function.
        targets: format -> its file.
        force: replace files that are there.
        whole: use files of torch's in every way that people do, which takes seconds; else compare numbers alone.

    Raises:
        ExportFailed: a file cannot be used alone, or differs from what was trained; nothing was written.
        BadTarget: a file is there already, or cannot be written.
        UserFault: a format cannot hold the function; the message says why.
    """
    for target in targets.values():
        check_target(target, force=force)
    made, proofs = dict[str, bytes](), dict[str, Proof]()
    with tempfile.TemporaryDirectory(prefix="actsearch-export-") as directory:
        scratch = Path(directory)
        torch_file = scratch / "exported_torch.py"
        torch_file.write_text(torch_source(discovery), encoding="utf-8")
        expected = reference(discovery.function)
        for asked in targets:
            suffix = FORMATS[asked].suffix
            file = torch_file if asked == "torch" else scratch / f"exported{suffix}"
            job = Job(discovery, expected, scratch, file, torch_file, whole)
            _make(asked, job)
            try:
                proofs[asked] = FORMATS[asked].prove(job)
            except NotProven as fault:
                proofs[asked] = Proof({}, missing=str(fault))
            made[asked] = file.read_bytes()
    for asked, target in targets.items():
        put(made[asked], target)
    return proofs


def _make(asked: str, job: Job) -> None:
    """Make the file of a format in the scratch directory."""
    found = FORMATS[asked]
    if found.write is not None:  # a name of a directory may be no UTF-8
        if job.file != job.torch_file:
            job.file.write_text(found.write(job.discovery), encoding="utf-8", errors="replace")
        return
    if asked == "onnx":
        write([job.discovery.function.plain_graph], TORCH_FOR_ONNX)  # which says what ONNX lacks
    try:
        need(*found.needs)
    except NotProven as fault:
        raise NotInstalled(f"'{asked}' cannot be made: {fault}") from fault
    run(job.scratch, FRESH / "torch_binary.py", job.torch_file, job.discovery.name, asked, job.file, job.discovery.head)
