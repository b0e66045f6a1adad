"""Export to a C99 header: value and slopes, in single and double precision.

Not here: the syntax of operations (``languages``).
"""

import re

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.languages import c
from actsearch.grammar.program.writing import write


def c_source(discovery: Discovery) -> str:
    """Return the text of the header.

    Raises:
        NoCounterpart: a user-defined primitive calls torch code that has no counterpart in C.
        NotInLanguage: C lacks an operation.
    """
    guard, blocks = (
        f"ACTSEARCH_{discovery.function_name.upper()}_{fingerprint(discovery.expression)[:8].upper()}_H",
        list[str](),
    )
    for single in (True, False):
        language, leaves = c(discovery.function_name, single=single), discovery.function.names
        kind, end = ("float", "f") if single else ("double", "")
        parameters = ", ".join(f"{kind} {leaf}" for leaf in leaves)
        names = (discovery.function_name, *discovery.slope_names())
        graphs = (discovery.function.plain_graph, *discovery.function.slopes)
        for name, graph in zip(names, graphs, strict=True):
            text = write([graph], language)
            blocks += [helper for helper in text.helpers if helper not in blocks]
            lines = [*text.lines, f"return {text.results[0]};"]
            unused = [f"(void){leaf};" for leaf in leaves if not _uses(lines, leaf)]
            body = "\n".join(f"    {line}" for line in [*unused, *lines])
            blocks.append(f"static inline {kind} {name}{end}({parameters}) {{\n{body}\n}}")
    head = "\n".join(f" * {line}".rstrip() for line in discovery.head.splitlines())
    return (
        f"/*\n{head}\n *\n * C99; link with -lm, and not with -ffast-math, which takes infinities for granted.\n */\n"
        f"#ifndef {guard}\n#define {guard}\n\n#include <math.h>\n\n"
        + "\n\n".join(blocks)
        + f"\n\n#endif /* {guard} */\n"
    )


def _uses(lines: list[str], leaf: str) -> bool:
    return any(re.search(rf"\b{leaf}\b", line) for line in lines)
