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
from actsearch.grammar.render import compile_expression, values_and_slopes
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
from actsearch.search.exporting.reference import BETAS, CHANNELS, DTYPES, points, reference

ALLOWED_IN_SYMPY = 1e-6  # of the larger of 1 and the value: the formula lacks the guards of what was trained


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
    found = job.run("of_numpy.py", job.file, job.discovery.function, job.points(), "ANSWER")
    return Proof(job.compared(found, kinds), kinds)


def of_jax(job: Job) -> Proof:
    """Prove a file of JAX's or Flax's."""
    need("jax", *(["flax"] if "flax" in job.file.read_text() else []))
    names = (job.discovery.name, job.points(), "ANSWER", job.discovery.function)
    gaps = job.compared(job.run("of_jax.py", job.file, *names), (*DTYPES,), flushes=True)  # XLA does
    return Proof(gaps, (*DTYPES, "compiled"))


def of_keras(job: Job) -> Proof:
    """Prove a file of Keras's; slopes only where its backend is torch."""
    need("keras", keras_backend())
    names = (job.discovery.name, job.points(), "ANSWER", job.discovery.function)
    found = job.run("of_keras.py", job.file, *names)
    return Proof(job.compared(found, (*DTYPES,)), (*DTYPES, f"on {keras_backend()}", "saved and loaded"))


def of_binary(kind: str, *modules: str) -> Prove:
    """Return what proves a binary of some kind."""

    def prove(job: Job) -> Proof:
        need(*modules)
        rest = (job.torch_file, job.discovery.name) if kind == "safetensors" else ()
        found = job.run("of_binary.py", job.file, kind, job.points(), "ANSWER", *rest)
        expected = dataclasses.replace(
            job, expected=reference(job.discovery.expression, (job.discovery.beta,) * CHANNELS)
        )
        return Proof(expected.compared(found, ("float32",)), ("float32", "two shapes"))

    return prove


def of_c(job: Job) -> Proof:
    """Compile a header and compare; it is C99 without a warning."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NotProven("there is no C compiler (cc, gcc, clang)")
    name, has_beta = job.discovery.function, job.discovery.has_beta
    names = {
        "HEADER": f'"{job.file}"',
        "NAME": name,
        "NAMEF": f"{name}f",
        "SLOPE": f"{name}_slope",
        "SLOPEF": f"{name}_slopef",
    }
    if has_beta:
        names |= {"HAS_BETA": "1", "OF_BETA": f"{name}_slope_of_beta", "OF_BETAF": f"{name}_slope_of_betaf"}
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    program = job.scratch / "of_c"
    defined = [f"-D{key}={value}" for key, value in names.items()]
    made = subprocess.run(
        [compiler, *flags, *defined, "-o", program, FRESH / "of_c.c", "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        said = made.stderr.strip().splitlines()
        worst = next((line for line in said if "error" in line), said[0] if said else "without a word")
        raise ExportFailed(f"the exported header does not compile: {worst}")
    x = points().numpy()
    asked = "\n".join(f"{a.hex()} {b.hex()}" for row in x for a, b in zip(row.tolist(), BETAS, strict=True))
    answer = subprocess.run([str(program)], input=asked, capture_output=True, text=True, check=True).stdout
    table = np.array([[float.fromhex(word) for word in line.split()] for line in answer.splitlines()])
    columns = ("value_float64", "slope_float64", "value_float32", "slope_float32", "beta_float64", "beta_float32")
    found = {column: table[:, n].reshape(x.shape) for n, column in enumerate(columns[: table.shape[1]])}
    kinds = ("float64", "float32")
    return Proof(job.compared(found, kinds), (*kinds, f"{' '.join(flags[:2])}, no warnings"))


def of_sympy(job: Job) -> Proof:
    """Prove a formula at ordinary points, where nothing inside is held."""
    found = job.run("of_sympy.py", job.file, "ANSWER")
    function = compile_expression(job.discovery.expression, held=False)
    beta, defined, worst = torch.tensor(0.75, dtype=torch.float64), 0.0, 0.0
    for kind, wanted in zip(
        ("f", "slope"), values_and_slopes(function, torch.from_numpy(found["x"]), beta), strict=True
    ):
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
