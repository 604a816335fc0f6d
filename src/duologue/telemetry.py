"""Every log event by name, with the keys that it carries.

None of them carries what people said: no transcript, no answer, no sound, and no key. A new event is added here
first, and says so where that would change.
"""

from __future__ import annotations

SESSION_STARTED = "session_started"
"""A client was admitted. ``session``: its id; ``lease``: the place that it took."""

SESSION_REFUSED = "session_refused"
"""A request, or a client before its upgrade, was refused. ``status``: of HTTP; ``reason``: the error's code."""

SESSION_ENDED = "session_ended"
"""Its connection is closed, by either side. ``session``."""

SESSION_EVICTED = "session_evicted"
"""It did not read what it was sent. ``session``, ``reason``."""

SESSION_FAILED = "session_failed"
"""A fault of ours ended it. ``session``, and the traceback."""

ENGINE_READY = "engine_ready"
"""A model is loaded and warm, or a server was reached; once for each. ``engine``, ``seconds``."""

ENGINE_STEP_FAILED = "engine_step_failed"
"""A model raised on a batch; its requests got an error. ``engine``, ``batch``: how many, and the traceback."""

ENGINE_FAILED = "engine_failed"
"""A request got an error instead of a result. ``engine``, ``reason``: the error's code."""

ENGINE_FALLBACK = "engine_fallback"
"""An engine is away and another one serves. ``engine``, ``instead``: "" where none does, ``reason``, and
``again_in_s``: when it is tried again."""

ENGINE_BACK = "engine_back"
"""An engine that was away serves again. ``engine``."""

ENGINE_DOUBTFUL = "engine_doubtful"
"""A server answers but may not know the model that it is asked for. ``engine``, ``warning``."""

TRANSCRIPT_FAILED = "transcript_failed"
"""A model answered a turn but its words are not known. ``engine``, ``reason``: the error's code."""
