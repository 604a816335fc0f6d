"""What the operator's page is told, and who may ask."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from duologue.config import Settings, setup_of
from duologue.engines.client import StageStats
from duologue.engines.scripted import InlineEngines, ScriptedChat, ScriptedTranscriber
from duologue.events import (
    AttemptEnded,
    Event,
    OverlapJudged,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    ReplyDone,
    ReplyManner,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
from duologue.server.observe import Watch
from duologue.server.ops import TurnTakingSeen, look
from duologue.server.roster import Roster
from duologue.server.state import State
from tests.server.caller import calling
from tests.server.serving import engines, serving, until

pytestmark = pytest.mark.anyio

KEY = "sk-operator"
SECRET_WORDS = "the moon is made of green cheese"


async def _state(web: httpx2.AsyncClient, **headers: str) -> dict[str, Any]:
    answer = await web.get("/ops/state", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


async def test_it_shows_who_is_there_and_how_quick_the_answers_are() -> None:
    async with serving(max_sessions=3) as server, httpx2.AsyncClient(base_url=server.http) as web:
        assert (await _state(web))["sessions"] == []
        async with calling(server.ws) as caller, calling(server.ws):
            await caller.say()
            await caller.wait("response.done")
            state = await _state(web)
            assert (state["status"], state["admission"]["taken"], state["admission"]["most"]) == ("ready", 2, 3)
            first, second = state["sessions"]
            assert caller.frames[0]["session"]["id"].endswith(first["id"])
            assert (first["transport"], first["turns"], second["turns"]) == ("websocket", 1, 0)
            assert 0 <= second["age_s"] <= first["age_s"] <= state["up_s"]
            assert state["admission"]["admitted"] == 2
            assert (state["load"]["pressure"], state["shed"]) == (0, [])
        await until(lambda: not server.state.roster.look())


async def test_it_tells_when_it_is_full_and_why_some_were_refused() -> None:
    async with (
        serving(max_sessions=1, max_waiting=0) as server,
        httpx2.AsyncClient(base_url=server.http) as web,
        calling(server.ws),
    ):
        assert (await web.post("/v1/admission")).status_code == 503
        state = await _state(web)
        assert state["status"] == "full"
        assert state["admission"]["closed_by"] == "max_sessions"
        assert state["admission"]["refused"] == {"session_limit_reached": 1}


@pytest.mark.parametrize(
    ("bears", "taken", "level", "closed_by"),
    [
        (9, 1, 0, ""),
        (2, 2, 0, "prediction"),
        (2, 3, 3, "max_sessions"),
        (9, 1, 3, "pressure"),
        # Where nobody is in, it is not conversations that the server is behind with.
        (9, 0, 3, ""),
    ],
)
def test_it_tells_why_nobody_gets_in(bears: int, taken: int, level: int, closed_by: str) -> None:
    settings = Settings(profile="scripted", max_sessions=3)
    state = State(settings, setup_of(settings), engines())
    assert look(state).admission.closed_by == "warming_up"
    state.is_ready = True
    state.admission.capacity, state.pressure.level = bears, level
    with ExitStack() as places:
        for _ in range(taken):
            places.enter_context(state.slots.lease())
        assert look(state).admission.closed_by == closed_by


def test_it_shows_what_was_tried_in_pauses_and_what_sounded_over_answers() -> None:
    settings = Settings(profile="scripted")
    state = State(settings, setup_of(settings), engines())
    assert look(state).turn_taking == TurnTakingSeen(kept=0, dropped=0, dropped_s=0.0, verdicts={})
    watch = Watch("sess_1", state.metrics, None, state.engines)
    for event in (
        AttemptEnded(is_kept=True, level="sound", compute_s=0.2),
        AttemptEnded(is_kept=True, level="words", compute_s=0.1),
        AttemptEnded(is_kept=False, level="words", compute_s=0.0301),
        OverlapJudged(verdict="backchannel", at_ms=5, took_ms=300.0),
    ):
        watch(event)
    assert look(state).turn_taking == TurnTakingSeen(2, 1, 0.03, {"backchannel": 1})


async def test_each_engine_is_shown_once_with_all_that_it_serves() -> None:
    async with serving(_Told()) as server, httpx2.AsyncClient(base_url=server.http) as web:
        shown = (await _state(web))["engines"]
        assert [(each["stages"], each["stats"]["engine"]) for each in shown] == [(["vad"], "a"), (["asr", "chat"], "b")]
        assert shown[1]["stats"]["batches"] == {"1": 7, "4": 2}


class _Told(InlineEngines):
    def __init__(self) -> None:
        super().__init__({})

    def stats(self) -> dict[str, StageStats]:
        both = StageStats("b", "cuda:0", 1, batches={1: 7, 4: 2})
        return {"vad": StageStats("a"), "asr": both, "chat": both}


async def test_nothing_that_people_said_is_in_it() -> None:
    told = engines(asr=ScriptedTranscriber(SECRET_WORDS), chat=ScriptedChat(answer=lambda _request: SECRET_WORDS))
    async with (
        serving(told, api_key=KEY) as server,
        httpx2.AsyncClient(base_url=server.http) as web,
        calling(server.ws, additional_headers={"Authorization": f"Bearer {KEY}"}) as caller,
    ):
        await caller.say()
        await caller.wait("response.done")
        assert SECRET_WORDS in json.dumps(caller.frames)
        shown = json.dumps(await _state(web, Authorization=f"Bearer {KEY}"))
        for word in (*SECRET_WORDS.split()[1:], KEY, "127.0.0.1"):
            assert f" {word}" not in shown
            assert f'"{word}"' not in shown


async def test_where_there_is_a_key_it_wants_one_and_no_client_secret() -> None:
    async with serving(api_key=KEY) as server, httpx2.AsyncClient(base_url=server.http) as web:
        assert (await web.get("/ops/state")).status_code == 401
        assert (await web.get("/ops/state", headers={"Authorization": "Bearer sk-wrong"})).status_code == 401
        key = {"Authorization": f"Bearer {KEY}"}
        await _state(web, **key)
        secret = (await web.post("/v1/realtime/client_secrets", headers=key)).json()["value"]
        refused = await web.get("/ops/state", headers={"Authorization": f"Bearer {secret}"})
        assert refused.status_code == 401
        assert (await web.get("/ops/")).status_code in (200, 404), "the page itself holds nothing"


async def test_without_a_key_a_strange_page_or_name_may_not_ask() -> None:
    async with serving() as server, httpx2.AsyncClient(base_url=server.http) as web:
        for header in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            assert (await web.get("/ops/state", headers=header)).status_code == 403


MANNER = ReplyManner(modality="audio")
STARTED = ReplyStarted(reply_id="r", manner=MANNER)
DONE = ReplyDone(reply_id="r", manner=MANNER, status="completed")
TURN: list[Event] = [
    SpeechStarted(item_id="i", at_ms=0),
    SpeechStopped(item_id="i", at_ms=900),
    TurnCommitted(item_id="i", previous_item_id=None),
]


@pytest.mark.parametrize(
    ("events", "does"),
    [
        ([], "listening"),
        (TURN[:1], "hearing"),
        (TURN[:2], "listening"),
        (TURN, "thinking"),
        ([*TURN, STARTED, PlayoutStarted(reply_id="r")], "speaking"),
        # Made, and still to be heard.
        ([*TURN, STARTED, PlayoutStarted(reply_id="r"), DONE], "speaking"),
        ([*TURN, STARTED, PlayoutStarted(reply_id="r"), DONE, PlayoutStopped(reply_id="r")], "listening"),
        # Never heard: it failed, or was written.
        ([*TURN, STARTED, DONE], "listening"),
        ([*TURN, STARTED, PlayoutStarted(reply_id="r"), TURN[0], DONE], "hearing"),
        (
            [STARTED, PlayoutStarted(reply_id="r"), PlayoutCleared(reply_id="r", item_id="i", heard_ms=10), DONE],
            "listening",
        ),
    ],
)
def test_what_somebody_does_follows_from_the_events(events: list[Event], does: str) -> None:
    roster = Roster(clock=lambda: 5.0)
    with roster.present("sess_0123456789abcdef", "webrtc") as entry:
        for event in events:
            entry.note(event)
        (seen,) = roster.look()
        assert (seen.id, seen.transport, seen.state) == ("89abcdef", "webrtc", does)
        assert seen.turns == sum(isinstance(event, TurnCommitted) for event in events)
    assert roster.look() == []


async def test_what_is_written_and_answered_is_a_turn_too() -> None:
    async with serving() as server, httpx2.AsyncClient(base_url=server.http) as web, calling(server.ws) as caller:
        # Put back of an earlier talk, all at once.
        for _ in range(3):
            await caller.write("Hello.")
        for turn in range(1, 3):
            await caller.write("And now?")
            await caller.send("response.create", response={"output_modalities": ["text"]})
            await caller.wait("response.done", turn)
        await caller.say()
        await caller.wait("response.done", 3)
        [seen] = (await _state(web))["sessions"]
        assert seen["turns"] == 3


def test_who_is_there_longest_comes_first() -> None:
    now_s = 0.0
    roster = Roster(clock=lambda: now_s)
    with roster.present("sess_a", "webrtc"):
        now_s = 3.0
        with roster.present("sess_b", "websocket"):
            assert [(seen.id, seen.age_s) for seen in roster.look()] == [("sess_a", 3.0), ("sess_b", 0.0)]
