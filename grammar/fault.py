"""A fault of what was given, and a job that failed, told from a fault of the engine.

Not here: the faults themselves, which stand beside what finds them.
"""


def fault_text(fault: BaseException) -> str:
    """Return the class and the message of an exception; one whose message cannot be made is named without."""
    try:
        message = str(fault)
    except Exception as further:  # whatever a class of the user's raises
        message = f"(no message: its __str__ raised {type(further).__name__})"
    return f"{type(fault).__name__}: {message}"


class UserFault(ValueError):
    """What was given cannot be used: the message is one sentence, and the command line ends with code 2."""


class Failed(RuntimeError):
    """What was asked was tried and did not succeed: the message is one sentence, the command line ends with code 1."""


class NotInstalled(UserFault):
    """What was asked for needs a package that a plain install has not; the message says how to get it."""
