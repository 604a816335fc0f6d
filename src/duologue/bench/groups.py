"""Exception groups, for those who expect one error."""

from __future__ import annotations


def lone(error: BaseException) -> BaseException:
    """The one exception in a group of one, of one, ...; anything else as it is. A task group wraps whatever
    passes through it, and a person is to read the error, not the wrapping."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
