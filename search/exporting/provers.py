"""The checks of a file of each format.

Not here: running a program and comparing numbers (``proof``).
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

IN_SYMPY = 0.75  # value of every parameter and further input
ALLOWED_IN_SYMPY = 1e-6  # relative to max(1, value): the formula lacks the trained function's guards


def functions_of(job: Job) -> tuple[str, ...]:
    """Return the names of the functions in a file that has one for the value and one for each slope."""
    return (job.discovery.function_name, *job.discovery.slope_names())


def of_torch(job: Job) -> Proof:
    """Prove a torch file."""
    extent = "whole" if job.whole else "value"
    numbers = job.run("of_torch.py", job.file, job.discovery.name, job.points(), "ANSWER", extent)
    report = json.loads((job.scratch / f"answer_{job.file.name}.json").read_text())
    exact = not native(job.discovery.expression)[0] and job.file == job.torch_file
    gaps = job.compared(numbers, (*DTYPES,), exact=exact)
    for complaint in report["complaints"]:
        if complaint.startswith("shapes"):
            raise ExportFailed(f"the exported {job.file.name} is wrong in its {complaint}; nothing was written")
    return Proof(gaps, (*DTYPES, *report["checked"]), tuple(report["complaints"]))


def of_numpy(job: Job) -> Proof:
    """Prove a NumPy file."""
    kinds = ("float64", "float32", "float16")
    numbers = job.run("of_numpy.py", job.file, job.points(), "ANSWER", *functions_of(job))
    return Proof(job.compared(numbers, kinds), kinds)


def of_jax(job: Job) -> Proof:
    """Prove a JAX or Flax file."""
    need("jax", *(["flax"] if "flax" in job.file.read_text() else []))
    names = (job.discovery.name, job.points(), "ANSWER", job.discovery.function_name)
    gaps = job.compared(job.run("of_jax.py", job.file, *names), (*DTYPES,), flushes=True)  # XLA flushes subnormals
    return Proof(gaps, (*DTYPES, "compiled"))


def of_keras(job: Job) -> Proof:
    """Prove a Keras file; slopes are compared only with the torch backend."""
    need("keras", keras_backend())
    names = (job.discovery.name, job.points(), "ANSWER", job.discovery.function_name)
    numbers = job.run("of_keras.py", job.file, *names)
    return Proof(job.compared(numbers, (*DTYPES,)), (*DTYPES, f"on {keras_backend()}", "saved and loaded"))


def of_binary(kind: str, *modules: str) -> Prove:
    """Return the prover of a kind of binary.

    Args:
        kind: name of the format.
        modules: modules that are needed to run the file.
    """

    def prove(job: Job) -> Proof:
        need(*modules)
        rest = (job.torch_file, job.discovery.name) if kind == "safetensors" else ()
        numbers = job.run("of_binary.py", job.file, kind, job.points(), "ANSWER", *rest)
        function = job.discovery.function
        starts = torch.tensor([one.start for one in function.parameters], dtype=torch.float64)
        frozen = dataclasses.replace(job, expected=reference(function, starts[:, None].expand(-1, CHANNELS)))
        return Proof(frozen.compared(numbers, ("float32",)), ("float32", "two shapes"))

    return prove


def of_c(job: Job) -> Proof:
    """Compile a C header as C99 without warnings, and compare its numbers."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NotProven("there is no C compiler (cc, gcc, clang)")
    function, names = job.discovery.function, functions_of(job)
    count = len(function.names)
    definitions = {
        "HEADER": f'"{job.file}"',
        "COUNT": str(count),
        "DOUBLES": ", ".join(f"v[{n}]" for n in range(count)),
        "SINGLES": ", ".join(f"(float)v[{n}]" for n in range(count)),
        "EACH": " ".join([*(f"DOUBLE({name})" for name in names), *(f"SINGLE({name}f)" for name in names)]),
    }
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    program, macros = job.scratch / "of_c", [f"-D{key}={value}" for key, value in definitions.items()]
    process = subprocess.run(
        [compiler, *flags, *macros, "-o", program, FRESH / "of_c.c", "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if process.returncode:
        errors = process.stderr.strip().splitlines()
        worst = next((line for line in errors if "error" in line), errors[0] if errors else "without a word")
        raise ExportFailed(f"the exported header does not compile: {worst}")
    inputs = inputs_of(function)
    columns = torch.cat([inputs, scalars_of(function)[:, None].expand(-1, *inputs.shape[1:])])  # (arguments, points, 3)
    lines_in = "\n".join(" ".join(number.hex() for number in row) for row in columns.flatten(1).T.tolist())
    answer = subprocess.run([str(program)], input=lines_in, capture_output=True, text=True, check=True).stdout
    table = np.array([[float.fromhex(word) for word in line.split()] for line in answer.splitlines()])
    kinds_of = (VALUE, *slope_kinds(function))
    titles = [f"{kind}_{dtype}" for dtype in ("float64", "float32") for kind in kinds_of]
    numbers = {title: table[:, n].reshape(inputs.shape[1:]) for n, title in enumerate(titles)}
    kinds = ("float64", "float32")
    return Proof(job.compared(numbers, kinds), (*kinds, f"{' '.join(flags[:2])}, no warnings"))


def of_sympy(job: Job) -> Proof:
    """Prove a SymPy formula at ordinary points, against the function without clamped inner values."""
    numbers = job.run("of_sympy.py", job.file, "ANSWER", str(IN_SYMPY), *job.discovery.function.names)
    function = function_of(job.discovery.expression, held=False)
    others = [torch.tensor(IN_SYMPY, dtype=torch.float64) for _ in function.names[1:]]
    defined, worst = 0.0, 0.0
    expected_numbers = values_and_slopes(function, torch.from_numpy(numbers["x"]), *others)
    for kind, expected in zip(("f", "slope"), expected_numbers, strict=True):
        if kind == "slope" and not job.expected.differentiable:
            continue
        value = torch.from_numpy(numbers[kind])
        defined += value.isfinite().sum().item()
        gap = ((value - expected).abs() / expected.abs().clamp(min=1))[value.isfinite()]
        worst = float(torch.cat([gap, gap.new_tensor([worst])]).max())  # max keeps a NaN
        if not worst <= ALLOWED_IN_SYMPY:
            raise ExportFailed(f"SymPy's {kind} of '{job.discovery.expression}' is another: {worst:.3g} apart")
    if not defined:
        raise NotProven("its formula has no value at the points that are looked at")
    return Proof({"float64": worst / ALLOWED_IN_SYMPY}, ("float64", "six points"))


def of_json(job: Job) -> Proof:
    """Read a JSON file back and compare the expression."""
    rows = {node.primitive for node in job.discovery.expression.walk() if node.arguments}
    copy = read_json(job.file.read_text(encoding="utf-8"), tuple(rows - {*VOCABULARY}))
    if copy.expression != job.discovery.expression:
        raise ExportFailed(f"the JSON of '{job.discovery.expression}' is read as '{copy.expression}'")
    return Proof({}, ("read back",))


def of_latex(_: Job) -> Proof:
    """Accept a LaTeX file: there is nothing to run."""
    return Proof({}, ())
