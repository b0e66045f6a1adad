"""Base classes of errors that the user can mend, and of jobs that failed; any other exception is a bug of the engine.

Not here: the errors themselves, which are defined where they are raised.
"""


def fault_text(fault: BaseException) -> str:
    """Return the class and the message of an exception; if its ``__str__`` fails, the message says so."""
    try:
        message = str(fault)
    except Exception as further:  # a user-defined class may raise anything
        message = f"(no message: its __str__ raised {type(further).__name__})"
    return f"{type(fault).__name__}: {message}"


class UserFault(ValueError):
    """The user's input is not valid: the message is one sentence, and the command line exits with code 2."""


class Failed(RuntimeError):
    """A valid request did not succeed: the message is one sentence, and the command line exits with code 1."""


class NotInstalled(UserFault):
    """The request needs a package that a plain install lacks; the message says how to install it."""
