"""Every error that Duologue raises on purpose, by who is at fault.

::

    DuologueError
    ├── ClientError          the client sent something that cannot be done; the session lives on
    │   ├── SessionExpired   the session has lasted as long as one may
    │   └── NotKept          there is no such conversation
    ├── CapacityError        there is no room or no time; nothing is wrong with the request
    │   ├── Overloaded       the work would come too late
    │   └── NoSlot           every place is taken
    │       └── Queued       so it is, and the client has a place in the line
    ├── EngineError          a model failed; the request may be tried again
    │   ├── EngineLost       the engine, its process or its server has gone away
    │   └── EngineUnavailable  it cannot be started on this machine; says what to install or set
    ├── StoreFailed          the disk did not do its part; the conversation goes on
    ├── SlowClient           the client does not read what it is sent
    └── ConfigError          a setting that cannot work; raised at start, never at the first turn

Each carries ``code``, a stable word for the wire and for logs, and a message that says what to do.
"""

from __future__ import annotations


class DuologueError(Exception):
    """Root of the tree. ``code`` is stable; ``kind`` is the wire's error type."""

    code: str = "internal_error"
    kind: str = "server_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class ClientError(DuologueError):
    """The client's event cannot be carried out. ``param`` names the field, where one is to blame."""

    code = "invalid_value"
    kind = "invalid_request_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message, code=code)
        self.param = param


class SessionExpired(ClientError):
    """The session has reached its longest duration and ends."""

    code = "session_expired"


class NotKept(ClientError):
    """No such conversation is kept, or not for this client."""

    code = "conversation_not_found"


class StoreFailed(DuologueError):
    """Conversations cannot be read or written now."""

    code = "store_failed"


class CapacityError(DuologueError):
    """No room or no time now; try again later."""

    code = "capacity"


class Overloaded(CapacityError):
    """The answer would come after its deadline."""

    code = "overloaded"


class NoSlot(CapacityError):
    """Every place for a conversation is taken. ``retry_after_s``: when it is worth asking again."""

    code = "session_limit_reached"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Queued(NoSlot):
    """The client waits in the line: it comes again after ``retry_after_s`` and shows its ``ticket``.

    ``position``: 1 is next; ``of``: how many wait.
    """

    code = "queued"

    def __init__(
        self, message: str, *, position: int, of: int, ticket: str, retry_after_s: int, code: str | None = None
    ) -> None:
        super().__init__(message, code=code, retry_after_s=retry_after_s)
        self.position, self.of, self.ticket = position, of, ticket


class EngineError(DuologueError):
    """A model failed on this request."""

    code = "engine_error"


class EngineLost(EngineError):
    """The engine is gone: a crashed process, a server that does not answer."""

    code = "engine_lost"


class EngineUnavailable(EngineError):
    """The engine cannot run here; the message says what to install or set."""

    code = "engine_unavailable"


class SlowClient(DuologueError):
    """The client does not read; its session ends so that it holds no memory."""

    code = "slow_client"

    def __init__(self) -> None:
        super().__init__("The client reads too slowly: too much is waiting to be sent to it.")


class ConfigError(DuologueError):
    """A setting that cannot work."""

    code = "invalid_config"
