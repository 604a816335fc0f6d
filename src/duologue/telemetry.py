"""Every name by which a server tells of itself: log events with their keys, metrics, spans.

None of them carries what people said: no transcript, no answer, no sound, and no key. A new event is added here
first, and says so where that would change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# --- logs -----------------------------------------------------------------------------------------------------

SESSION_STARTED = "session_started"
"""A client was admitted. ``session``: its id."""

SESSION_REFUSED = "session_refused"
"""A request, or a client before its upgrade, was refused. ``status``: of HTTP; ``reason``: the error's code."""

SESSION_ENDED = "session_ended"
"""Its connection is closed, by either side. ``session``."""

SESSION_EVICTED = "session_evicted"
"""It did not read what it was sent. ``session``, ``reason``."""

SESSION_FAILED = "session_failed"
"""A fault of ours ended it. ``session``, and where it was, without what the exception says: that may quote people."""

ENGINE_READY = "engine_ready"
"""A model is loaded and warm, or a server was reached; once for each. ``engine``, ``seconds``."""

ENGINE_CALIBRATED = "engine_calibrated"
"""What the start found out about a model on this machine. ``engine``, ``alone_ms``: one typical request by itself;
``batch``: how many requests a step takes at most; ``threads``: how many steps run at once."""

ENGINE_STEP_FAILED = "engine_step_failed"
"""A model raised on a batch; its requests got an error. ``engine``, ``batch``: how many, and where it was."""

ENGINE_FAILED = "engine_failed"
"""A request got an error instead of a result. ``engine``, ``reason``: the error's code."""

ENGINE_FALLBACK = "engine_fallback"
"""An engine is away and another one serves. ``engine``, ``instead``: "" where none does, ``reason``, and
``again_in_s``: when it is tried again."""

ENGINE_BACK = "engine_back"
"""An engine that was away serves again. ``engine``."""

ENGINE_DOUBTFUL = "engine_doubtful"
"""A server answers but may not know the model that it is asked for. ``engine``, ``warning``."""

LEASE_EXPIRED = "lease_expired"
"""A conversation did not answer for half a minute: its place was taken back and it was cancelled. ``session``."""

PRESSURE_CHANGED = "pressure_changed"
"""More or less is left undone under load. ``pressure``: 0 nothing, 1 partial transcripts, 2 attempts as well, 3 new
conversations as well; ``was``; ``why``: what was measured."""

TRANSCRIPT_FAILED = "transcript_failed"
"""A model answered a turn but its words are not known. ``engine``, ``reason``: the error's code."""

TRACES_LOST = "traces_lost"
"""The collector of traces does not take them: they are gone. Told once, until it takes some again."""

TRACES_BACK = "traces_back"
"""The collector of traces takes them again. ``lost``: how many spans it did not get."""

STORE_OFF = "store_off"
"""Conversations are not kept: their file cannot be used. ``reason``."""

STORE_FAILED = "store_failed"
"""Conversations cannot be kept or read just now. ``operation``, ``reason``: what is wrong with the disk."""

CONVERSATION_UNSAVED = "conversation_unsaved"
"""What is said is not kept just now; it is tried again. Told once, until it is. ``conversation``: its id."""

STORE_SWEPT = "store_swept"
"""Conversations were deleted since their days were over. ``conversations``: how many."""

# --- metrics --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Metric:
    """One name at ``/metrics``. ``buckets``: upper bounds of a histogram, in its unit, chosen for what it measures."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    tells: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Where a person begins to notice: finer there than beside it.
_WAITS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_WORK = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

SESSIONS_ACTIVE = Metric("duologue_sessions_active", "gauge", "Conversations under way.")
SESSIONS_LIMIT = Metric("duologue_sessions_limit", "gauge", "Conversations allowed at once.")
SESSIONS_PLACES = Metric(
    "duologue_sessions_places", "gauge", "Conversations that the machine is thought to bear now; at most the limit."
)
SESSION_SECONDS = Metric(
    "duologue_session_seconds",
    "histogram",
    "Length of conversations that have ended.",
    buckets=(1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0),
)
SESSIONS_FAILED = Metric("duologue_sessions_failed_total", "counter", "Conversations ended by a fault of the server.")
ADMISSIONS = Metric(
    "duologue_admissions_total",
    "counter",
    "Clients that asked for a conversation, by result: admitted, queued or refused; the last with its reason.",
    ("result", "reason"),
)
CLIENTS_WAITING = Metric("duologue_clients_waiting", "gauge", "Clients in the queue for a conversation.")
PRESSURE = Metric(
    "duologue_pressure_level",
    "gauge",
    "What is shed under load: 0 nothing, 1 partial transcripts, 2 attempts as well, 3 new conversations as well.",
)
LEASES_EXPIRED = Metric("duologue_leases_expired_total", "counter", "Places taken back from sessions that went silent.")
CLIENTS_EVICTED = Metric("duologue_clients_evicted_total", "counter", "Clients cut off: they read too slowly.")
READY = Metric("duologue_ready", "gauge", "1 when the engines are loaded and warm, else 0.")

VOICE_TO_VOICE = Metric(
    "duologue_voice_to_voice_seconds",
    "histogram",
    "From the last sound of a person's speech to the first sound of the answer leaving.",
    buckets=_WAITS,
)
ENDPOINTING = Metric(
    "duologue_endpointing_seconds",
    "histogram",
    "From the last sound of a person's speech until the turn was over.",
    buckets=_WAITS,
)
TRANSCRIPTION = Metric(
    "duologue_transcription_final_seconds",
    "histogram",
    "From the last sound of a person's speech until all its words were known.",
    buckets=_WAITS,
)
FIRST_TOKEN = Metric(
    "duologue_reply_first_token_seconds",
    "histogram",
    "From the words, or the end of speech where the model hears it, to the answer's first text.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0),
)
FIRST_AUDIO = Metric(
    "duologue_speech_first_audio_seconds",
    "histogram",
    "From the first phrase being given to the synthesizer to its first sound.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 5.0),
)
INTERRUPTION_STOP = Metric(
    "duologue_interruption_stop_seconds",
    "histogram",
    "From the first sound of a person who cuts in until the answer was silent.",
    buckets=_WAITS,
)
INTERRUPTIONS = Metric("duologue_interruptions_total", "counter", "Answers that were cut off by a person's sound.")
FALSE_INTERRUPTIONS = Metric(
    "duologue_false_interruptions_total",
    "counter",
    "Answers that were cut off and then taken up again: the sound was no words.",
)
OVERLAPS = Metric(
    "duologue_overlaps_total",
    "counter",
    "Sounds over an answer, by what they were taken for: interruption, backchannel, noise or echo.",
    ("verdict",),
)
OVERLAP_VERDICT = Metric(
    "duologue_overlap_verdict_seconds",
    "histogram",
    "From the first of a sound over an answer until it was known what it is.",
    buckets=(0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.85, 1.0, 1.5, 2.0),
)
ATTEMPTS = Metric(
    "duologue_attempts_total",
    "counter",
    "Answers begun in a pause: kept, or dropped since the speaker went on; by how far they got (words, text, sound).",
    ("result", "level"),
)
ATTEMPT_COMPUTE = Metric(
    "duologue_attempt_compute_seconds_total",
    "counter",
    "Engine time spent on answers begun in a pause, by what became of them: kept or dropped.",
    ("result",),
)
PLAYOUT_UNDERRUNS = Metric(
    "duologue_playout_underruns_total", "counter", "Gaps in an answer: its next sound came late."
)
REPLIES = Metric("duologue_replies_total", "counter", "Answers that have ended, by how.", ("status",))
UNSAVED = Metric(
    "duologue_conversation_saves_failed_total",
    "counter",
    "Times that what was said could not be kept; it is tried again.",
)
TOKENS = Metric("duologue_reply_tokens_total", "counter", "Tokens of the answers' models, by kind.", ("kind",))

ENGINE_STEP = Metric(
    "duologue_engine_step_seconds",
    "histogram",
    "How long one step took, whatever its batch; of a streaming engine, one whole request.",
    ("engine",),
    _WORK,
)
ENGINE_BATCH = Metric(
    "duologue_engine_batch_size",
    "histogram",
    "How many requests one step took.",
    ("engine",),
    (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0),
)
ENGINE_QUEUE = Metric(
    "duologue_engine_queue_seconds", "histogram", "How long a request waited for its step.", ("engine",), _WORK
)
ENGINE_DROPPED = Metric(
    "duologue_engine_requests_dropped_total",
    "counter",
    "Requests without a result: cancelled, expired (too late to matter), or failed.",
    ("engine", "reason"),
)
ENGINE_WAITING = Metric("duologue_engine_requests_waiting", "gauge", "Requests in the queue now.", ("engine",))

LOOP_LAG = Metric(
    "duologue_event_loop_lag_seconds",
    "histogram",
    "How late the event loop came to a timer; twenty looks a second.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
)
BUILD = Metric(
    "duologue_build_info", "gauge", "Always 1; the version of this server.", ("version", "python", "profile")
)

METRICS: tuple[Metric, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Metric))

# --- spans ----------------------------------------------------------------------------------------------------

TURN_SPAN = "turn"
ENDPOINTING_SPAN = "endpointing"
TRANSCRIPTION_SPAN = "transcription"
FIRST_TOKEN_SPAN = "first_token"
FIRST_PHRASE_SPAN = "first_phrase"
FIRST_AUDIO_SPAN = "first_audio"
DELIVERY_SPAN = "delivery"

SPANS = {
    TURN_SPAN: "From the last sound of a person's speech to the first sound, or text, of the answer leaving.",
    ENDPOINTING_SPAN: "Until the turn was over.",
    TRANSCRIPTION_SPAN: "Until all its words were known.",
    FIRST_TOKEN_SPAN: "From the words to the answer's first text.",
    FIRST_PHRASE_SPAN: "From there until a phrase was given to the synthesizer.",
    FIRST_AUDIO_SPAN: "From there to its first sound.",
    DELIVERY_SPAN: "From there until it left: an answer that was ready early waits here for the end of the turn.",
}

# The only attributes of spans: ids made here, how the answer ended, and the engine of a stage.
SESSION_ATTRIBUTE = "duologue.session"
REPLY_ATTRIBUTE = "duologue.reply"
STATUS_ATTRIBUTE = "duologue.status"
ENGINE_ATTRIBUTE = "duologue.engine"
