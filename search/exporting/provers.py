"""What is done with a file of each format before it is called done.

Not here: how a program is run and numbers are compared (``proof``).
"""

import dataclasses
import json
import shutil
import subprocess

import numpy as np
import torch

from actsearch.grammar.formats.data_files import read_json
from actsearch.grammar.formats.torch_body import native
from actsearch.grammar.function import function_of, values_and_slopes
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.search.exporting.proof import (
    FRESH,
    ExportFailed,
    Job,
    NotProven,
    Proof,
    Prove,
    keras_backend,
    need,
)  # fmt: skip
from actsearch.search.exporting.reference import (
    CHANNELS,
    DTYPES,
    VALUE,
    inputs_of,
    reference,
    scalars_of,
    slope_kinds,
)  # fmt: skip

IN_SYMPY = 0.75  # of every parameter and further input
ALLOWED_IN_SYMPY = 1e-6  # of the larger of 1 and the value: the formula lacks the guards of what was trained


def functions_of(job: Job) -> tuple[str, ...]:
    """Return the names of the functions of value and slopes in a file that has one for each."""
    return (job.discovery.function_name, *job.discovery.slope_names())


def of_torch(job: Job) -> Proof:
    """Prove a file of torch's."""
    extent = "whole" if job.whole else "value"
    found = job.run("of_torch.py", job.file, job.discovery.name, job.points(), "ANSWER", extent)
    said = json.loads((job.scratch / f"answer_{job.file.name}.json").read_text())
    exact = not native(job.discovery.expression)[0] and job.file == job.torch_file
    gaps = job.compared(found, (*DTYPES,), exact=exact)
    for complaint in said["complaints"]:
        if complaint.startswith("shapes"):
            raise ExportFailed(f"the exported {job.file.name} is wrong in its {complaint}; nothing was written")
    return Proof(gaps, (*DTYPES, *said["checked"]), tuple(said["complaints"]))


def of_numpy(job: Job) -> Proof:
    """Prove a file of NumPy's."""
    kinds = ("float64", "float32", "float16")
    found = job.run("of_numpy.py", job.file, job.points(), "ANSWER", *functions_of(job))
    return Proof(job.compared(found, kinds), kinds)


def of_jax(job: Job) -> Proof:
    """Prove a file of JAX's or Flax's."""
    need("jax", *(["flax"] if "flax" in job.file.read_text() else []))
    names = (job.discovery.name, job.points(), "ANSWER", job.discovery.function_name)
    gaps = job.compared(job.run("of_jax.py", job.file, *names), (*DTYPES,), flushes=True)  # XLA does
    return Proof(gaps, (*DTYPES, "compiled"))


def of_keras(job: Job) -> Proof:
    """Prove a file of Keras's; slopes only where its backend is torch."""
    need("keras", keras_backend())
    names = (job.discovery.name, job.points(), "ANSWER", job.discovery.function_name)
    found = job.run("of_keras.py", job.file, *names)
    return Proof(job.compared(found, (*DTYPES,)), (*DTYPES, f"on {keras_backend()}", "saved and loaded"))


def of_binary(kind: str, *modules: str) -> Prove:
    """Return what proves a binary of some kind."""

    def prove(job: Job) -> Proof:
        need(*modules)
        rest = (job.torch_file, job.discovery.name) if kind == "safetensors" else ()
        found = job.run("of_binary.py", job.file, kind, job.points(), "ANSWER", *rest)
        function = job.discovery.function
        starts = torch.tensor([one.start for one in function.parameters], dtype=torch.float64)
        expected = dataclasses.replace(job, expected=reference(function, starts[:, None].expand(-1, CHANNELS)))
        return Proof(expected.compared(found, ("float32",)), ("float32", "two shapes"))

    return prove


def of_c(job: Job) -> Proof:
    """Compile a header and compare; it is C99 without a warning."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NotProven("there is no C compiler (cc, gcc, clang)")
    function, names = job.discovery.function, functions_of(job)
    count = len(function.names)
    defined = {
        "HEADER": f'"{job.file}"',
        "COUNT": str(count),
        "DOUBLES": ", ".join(f"v[{n}]" for n in range(count)),
        "SINGLES": ", ".join(f"(float)v[{n}]" for n in range(count)),
        "EACH": " ".join([*(f"DOUBLE({name})" for name in names), *(f"SINGLE({name}f)" for name in names)]),
    }
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    program, macros = job.scratch / "of_c", [f"-D{key}={value}" for key, value in defined.items()]
    made = subprocess.run(
        [compiler, *flags, *macros, "-o", program, FRESH / "of_c.c", "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        said = made.stderr.strip().splitlines()
        worst = next((line for line in said if "error" in line), said[0] if said else "without a word")
        raise ExportFailed(f"the exported header does not compile: {worst}")
    inputs = inputs_of(function)
    columns = torch.cat([inputs, scalars_of(function)[:, None].expand(-1, *inputs.shape[1:])])  # (arguments, points, 3)
    asked = "\n".join(" ".join(number.hex() for number in row) for row in columns.flatten(1).T.tolist())
    answer = subprocess.run([str(program)], input=asked, capture_output=True, text=True, check=True).stdout
    table = np.array([[float.fromhex(word) for word in line.split()] for line in answer.splitlines()])
    kinds_of = (VALUE, *slope_kinds(function))
    titles = [f"{kind}_{dtype}" for dtype in ("float64", "float32") for kind in kinds_of]
    found = {title: table[:, n].reshape(inputs.shape[1:]) for n, title in enumerate(titles)}
    kinds = ("float64", "float32")
    return Proof(job.compared(found, kinds), (*kinds, f"{' '.join(flags[:2])}, no warnings"))


def of_sympy(job: Job) -> Proof:
    """Prove a formula at ordinary points, where nothing inside is held."""
    found = job.run("of_sympy.py", job.file, "ANSWER", str(IN_SYMPY), *job.discovery.function.names)
    function = function_of(job.discovery.expression, held=False)
    others = [torch.tensor(IN_SYMPY, dtype=torch.float64) for _ in function.names[1:]]
    defined, worst = 0.0, 0.0
    wanted_numbers = values_and_slopes(function, torch.from_numpy(found["x"]), *others)
    for kind, wanted in zip(("f", "slope"), wanted_numbers, strict=True):
        if kind == "slope" and not job.expected.differentiable:
            continue
        value = torch.from_numpy(found[kind])
        defined += value.isfinite().sum().item()
        gap = ((value - wanted).abs() / wanted.abs().clamp(min=1))[value.isfinite()]
        worst = float(torch.cat([gap, gap.new_tensor([worst])]).max())  # NaN stays one
        if not worst <= ALLOWED_IN_SYMPY:
            raise ExportFailed(f"SymPy's {kind} of '{job.discovery.expression}' is another: {worst:.3g} apart")
    if not defined:
        raise NotProven("its formula has no value at the points that are looked at")
    return Proof({"float64": worst / ALLOWED_IN_SYMPY}, ("float64", "six points"))


def of_json(job: Job) -> Proof:
    """Read it back."""
    rows = {node.primitive for node in job.discovery.expression.walk() if node.arguments}
    found = read_json(job.file.read_text(encoding="utf-8"), tuple(rows - {*VOCABULARY}))
    if found.expression != job.discovery.expression:
        raise ExportFailed(f"the JSON of '{job.discovery.expression}' is read as '{found.expression}'")
    return Proof({}, ("read back",))


def of_latex(_: Job) -> Proof:
    """Nothing can be run."""
    return Proof({}, ())
