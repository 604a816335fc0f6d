"""``/v1/conversations``: what the server keeps, for whoever shows the key that it was said with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from msgspec import structs
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from duologue.errors import ClientError, DuologueError, NotKept
from duologue.items import Item, Message, Part
from duologue.protocols.openai_realtime.items import from_item
from duologue.server.archive import keeps_for
from duologue.server.problems import problem, problem_of, too_slow
from duologue.server.rest.body import read_json
from duologue.session.history import settled
from duologue.store.records import Record, Store, Summary, Timing

if TYPE_CHECKING:
    from duologue.server.state import State

BODY_S, BODY_BYTES = 10.0, 64 * 1024
MOST_TITLE_CHARS = 200
CONVERSATIONS_A_PAGE, ITEMS_A_PAGE, MOST_A_PAGE = 50, 200, 500
# Other sites' pages may not even show them, as sound for instance; their programs cannot read them as it is.
PRIVATE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
OFF = (
    'This server keeps no conversations. Start it with store = "on" in duologue.toml, or DUOLOGUE_STORE=on; by '
    "itself it keeps them only for who talks to it on its own machine, not through a proxy."
)
_TIMES = {
    "committed": "committed_ms",
    "transcript": "words_ms",
    "first_text": "text_ms",
    "first_phrase": "phrase_ms",
    "first_sound": "spoken_ms",
    "first_sent": "given_ms",
}

Json = dict[str, Any]


class Visit:
    """A request for the conversations of one owner."""

    def __init__(self, request: Request, store: Store) -> None:
        self.request, self.store = request, store
        self.state: State = request.app.state.duologue
        self.owner: str = request.state.grant.owner
        self.id: str = request.path_params.get("conversation_id", "")

    def page(self, default: int) -> tuple[str | None, int]:
        """The id that the page comes after, and how much is on it. Raises ClientError."""
        given = self.request.query_params.get("limit") or str(default)
        if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= MOST_A_PAGE):
            raise ClientError(f"'limit' must be a whole number from 1 to {MOST_A_PAGE}.", param="limit")
        return self.request.query_params.get("after") or None, int(given)


def _endpoint(answer: Callable[[Visit], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """What ``answer`` raises is a problem; so is a server that keeps nothing."""

    async def endpoint(request: Request) -> Response:
        state: State = request.app.state.duologue
        store = state.store
        if store is None or not keeps_for(state.settings, request.scope):
            return problem(404, "conversations_not_kept", OFF)
        try:
            response = await answer(Visit(request, store))
        except ClientDisconnect:
            return Response(status_code=400)
        except TimeoutError:
            return too_slow(BODY_S)
        except DuologueError as error:
            return problem_of(error)
        response.headers.update(PRIVATE)
        return response

    return endpoint


async def _list(visit: Visit) -> Response:
    after, limit = visit.page(CONVERSATIONS_A_PAGE)
    query = visit.request.query_params.get("q", "")
    found, has_more = await visit.store.list(visit.owner, query=query, after=after, limit=limit)
    return _page([_shown(visit, each) for each in found], has_more)


async def _one(visit: Visit) -> Response:
    return JSONResponse(_shown(visit, await visit.store.summary(visit.owner, visit.id)))


class _Renaming(msgspec.Struct):
    title: str


async def _rename(visit: Visit) -> Response:
    with anyio.fail_after(BODY_S):
        asked = await read_json(visit.request, _Renaming, BODY_BYTES)
    title = " ".join(asked.title.split())
    if not 1 <= len(title) <= MOST_TITLE_CHARS:
        raise ClientError(f"'title' must have 1 to {MOST_TITLE_CHARS} characters.", param="title")
    return JSONResponse(_shown(visit, await visit.store.rename(visit.owner, visit.id, title)))


async def _delete(visit: Visit) -> Response:
    """Whoever talks in it goes on, and nothing more of it is kept."""
    await visit.store.summary(visit.owner, visit.id)
    visit.state.keeping.forget(visit.id)
    if not await visit.store.delete(visit.owner, [visit.id]):
        raise NotKept("There is no such conversation: it has just been deleted.")
    return JSONResponse({"id": visit.id, "object": "conversation.deleted", "deleted": True})


async def _delete_all(visit: Visit) -> Response:
    visit.state.keeping.forget_all(visit.owner)
    deleted = await visit.store.delete(visit.owner, None)
    return JSONResponse({"object": "conversations.deleted", "deleted": True, "count": deleted})


async def _items(visit: Visit) -> Response:
    after, limit = visit.page(ITEMS_A_PAGE)
    records, has_more = await visit.store.items(visit.owner, visit.id, after=after, limit=limit)
    is_live = visit.state.keeping.is_live(visit.id)
    return _page([_shown_item(record, is_live=is_live) for record in records], has_more)


async def _sound(visit: Visit) -> Response:
    wav = await visit.store.sound(visit.owner, visit.id, visit.request.path_params["item_id"])
    if wav is None:
        return problem(404, "sound_not_kept", "Nothing is kept of how this sounded.")
    return Response(wav, media_type="audio/wav")


def _page(data: list[Json], has_more: bool) -> Response:
    return JSONResponse({"object": "list", "data": data, "has_more": has_more})


def _shown(visit: Visit, summary: Summary) -> Json:
    return {
        "id": summary.id,
        "object": "conversation",
        "title": summary.title,
        "created_at": summary.created_at_s,
        "updated_at": summary.updated_at_s,
        "turns": summary.turns,
        "snippet": summary.snippet,
        "is_live": visit.state.keeping.is_live(summary.id),
    }


def _shown_item(record: Record, *, is_live: bool) -> Json:
    item, unheard = _heard(record)
    if item.status == "in_progress" and not is_live:
        item = settled(item)
    return {
        "object": "conversation.item",
        "item": from_item(item),
        "said_at": record.said_at_s,
        "unheard": unheard,
        "ms_since_speech_end": None if record.timing is None else _times(record.timing),
        "has_sound": record.has_sound,
    }


def _heard(record: Record) -> tuple[Item, str]:
    """The item as it was heard, and the rest of its words. One that was all sent and then cut off is whole for the
    protocol; who reads it later wants to know that it was not."""
    item, heard = record.item, record.text_heard
    if heard is None or not isinstance(item, Message):
        return item, ""
    spoken = " ".join(part.text for part in item.parts if part.text)
    kind = item.parts[0].kind if item.parts else "output_audio"
    shown = structs.replace(item, status="incomplete", parts=(Part(kind=kind, text=heard),))
    return shown, spoken[len(heard) :].strip() if spoken.startswith(heard) else ""


def _times(timing: Timing) -> Mapping[str, float | None]:
    return {theirs: getattr(timing, ours) for theirs, ours in _TIMES.items()}


_ALL, _ID = "/v1/conversations", "/v1/conversations/{conversation_id}"
ROUTES: list[BaseRoute] = [
    Route(_ALL, _endpoint(_list), methods=["GET"]),
    Route(_ALL, _endpoint(_delete_all), methods=["DELETE"]),
    Route(_ID, _endpoint(_one), methods=["GET"]),
    Route(_ID, _endpoint(_rename), methods=["POST"]),
    Route(_ID, _endpoint(_delete), methods=["DELETE"]),
    Route(f"{_ID}/items", _endpoint(_items), methods=["GET"]),
    Route(f"{_ID}/items/{{item_id}}/sound", _endpoint(_sound), methods=["GET"]),
]
