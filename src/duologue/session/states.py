"""Who can have the floor, and how it changes hands: the turn machine's states and its table.

Two laws. Every pair of state and event stands in ``TRANSITIONS``; one that does not is a fault in the caller and
is named in the error. A transition only ever leads to a state that the table lists for it.
"""

from __future__ import annotations

from enum import Enum
from typing import get_args

from duologue.session.floor import (
    Clock,
    EndOfTurnKnown,
    FloorReset,
    OverlapHeard,
    ReplyAudible,
    ReplyOver,
    ReplyWanted,
    SoundSuspected,
    SpeechBegan,
    SpeechEnded,
    SuspicionOver,
    TurnEvent,
    WordsKnown,
)


class State(Enum):
    IDLE = "idle"
    """Nobody speaks."""
    USER = "user"
    """The user speaks."""
    PAUSE = "pause"
    """The user has stopped, perhaps for good; an attempt at an answer is prepared."""
    THINKING = "thinking"
    """The turn is the assistant's; nothing of the answer is audible yet."""
    SPEAKING = "speaking"
    """The answer is being heard."""
    SUSPECTING = "suspecting"
    """There may be a voice over the answer, which is lowered."""
    CONTESTED = "contested"
    """There is sound over the answer; the answer is lowered, then held, until it is known what it is."""
    OVERLAPPED = "overlapped"
    """There is sound over the answer that was taken for no interruption; it is watched."""


Transition = tuple[str, tuple[State, ...]]
_S = State


def _row(state: State, moves: dict[type, Transition]) -> dict[type, Transition]:
    """All events from ``state``: those that are not among ``moves`` change nothing."""
    return {event: moves.get(event, ("_stay", (state,))) for event in get_args(TurnEvent)}


_MOVES: dict[State, dict[type, Transition]] = {
    _S.IDLE: {
        SpeechBegan: ("_open_turn", (_S.USER,)),
        ReplyWanted: ("_want_reply", (_S.THINKING,)),
        ReplyOver: ("_fall_idle", (_S.IDLE,)),
    },
    _S.USER: {
        SpeechEnded: ("_pause", (_S.PAUSE,)),
        Clock: ("_end_long_turn", (_S.USER, _S.CONTESTED)),
        ReplyWanted: ("_want_reply_meanwhile", (_S.USER,)),
        ReplyAudible: ("_hear_reply", (_S.USER,)),
        ReplyOver: ("_lose_reply_meanwhile", (_S.USER,)),
        FloorReset: ("_reset", (_S.IDLE, _S.THINKING, _S.SPEAKING)),
    },
    _S.PAUSE: {
        SpeechBegan: ("_go_on", (_S.USER,)),
        Clock: ("_end_pause", (_S.PAUSE, _S.IDLE, _S.THINKING, _S.SPEAKING)),
        EndOfTurnKnown: ("_weigh_sound", (_S.PAUSE,)),
        WordsKnown: ("_weigh_words", (_S.PAUSE,)),
        ReplyWanted: ("_want_reply_meanwhile", (_S.PAUSE,)),
        ReplyAudible: ("_hear_reply", (_S.PAUSE,)),
        ReplyOver: ("_lose_reply_meanwhile", (_S.PAUSE,)),
        FloorReset: ("_reset", (_S.IDLE, _S.THINKING, _S.SPEAKING)),
    },
    _S.THINKING: {
        SpeechBegan: ("_open_contest", (_S.CONTESTED, _S.USER)),
        ReplyAudible: ("_hear_reply", (_S.SPEAKING,)),
        ReplyOver: ("_fall_idle", (_S.IDLE,)),
    },
    _S.SPEAKING: {
        SpeechBegan: ("_open_contest", (_S.CONTESTED, _S.OVERLAPPED, _S.USER)),
        SoundSuspected: ("_suspect", (_S.SUSPECTING, _S.SPEAKING)),
        Clock: ("_keep_time", (_S.SPEAKING,)),
        ReplyOver: ("_fall_idle", (_S.IDLE,)),
    },
    _S.SUSPECTING: {
        SpeechBegan: ("_open_contest", (_S.CONTESTED, _S.OVERLAPPED, _S.USER)),
        SuspicionOver: ("_calm", (_S.SPEAKING,)),
        Clock: ("_keep_time", (_S.SUSPECTING,)),
        ReplyOver: ("_fall_idle", (_S.IDLE,)),
        FloorReset: ("_calm", (_S.SPEAKING,)),
    },
    _S.CONTESTED: {
        SpeechBegan: ("_go_on_over", (_S.CONTESTED,)),
        SpeechEnded: ("_end_sound", (_S.CONTESTED, _S.THINKING, _S.SPEAKING, _S.PAUSE)),
        Clock: ("_tick_contest", (_S.CONTESTED, _S.USER, _S.PAUSE, _S.OVERLAPPED, _S.SPEAKING)),
        OverlapHeard: ("_hear_overlap", (_S.CONTESTED, _S.USER, _S.OVERLAPPED, _S.SPEAKING, _S.PAUSE)),
        ReplyAudible: ("_hear_reply", (_S.CONTESTED,)),
        ReplyOver: ("_uncontested", (_S.USER, _S.PAUSE)),
        FloorReset: ("_reset_contested", (_S.THINKING, _S.SPEAKING)),
    },
    _S.OVERLAPPED: {
        SpeechBegan: ("_go_on_over", (_S.OVERLAPPED,)),
        SpeechEnded: ("_end_sound", (_S.OVERLAPPED, _S.SPEAKING, _S.PAUSE)),
        Clock: ("_tick_contest", (_S.OVERLAPPED, _S.CONTESTED, _S.USER, _S.SPEAKING)),
        OverlapHeard: ("_hear_overlap", (_S.OVERLAPPED, _S.USER, _S.SPEAKING, _S.PAUSE)),
        ReplyOver: ("_uncontested", (_S.USER, _S.IDLE)),
        FloorReset: ("_reset_contested", (_S.SPEAKING,)),
    },
}
TRANSITIONS: dict[State, dict[type, Transition]] = {state: _row(state, moves) for state, moves in _MOVES.items()}
