"""Calls of the model's that are carried out here: tools of MCP servers, approved by the client where it must be.

A call begins only when its answer was let out, never for an attempt. It runs beside the conversation: the answer that
it came with ends, the user may go on talking, and what the tool gives is asked about in the next prompt.
"""

from __future__ import annotations

from collections.abc import Callable

from anyio.abc import TaskGroup
from msgspec import structs

from duologue.errors import ClientError
from duologue.events import (
    Event,
    FunctionCall,
    ItemAdded,
    ItemDone,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpCallProgress,
    McpFailure,
    McpServer,
    ProgressPhase,
    ReplyItemDone,
    ToolSpec,
    new_id,
)
from duologue.session.answer import Answer, Given, as_function
from duologue.session.conversation import Conversation
from duologue.session.history import Entry
from duologue.session.tools import Tools
from duologue.session.writing import Call


class Calling:
    """One session's calls under way. ``on_answered`` is told when all of them have."""

    def __init__(
        self, tools: Tools, conversation: Conversation, say: Callable[[Event], None], on_answered: Callable[[], None]
    ) -> None:
        self._tools = tools
        self._conversation = conversation
        self._say = say
        self._on_answered = on_answered
        # By item: whose tool it is, and the place in its answer of a call that waits for approval.
        self._servers: dict[str, McpServer] = {}
        self._asked: dict[str, tuple[str, int]] = {}
        self._call_ids: set[str] = set()
        self._running = 0
        self.tasks: TaskGroup

    @property
    def is_busy(self) -> bool:
        """Whether a tool has been called and has not answered yet."""
        return self._running > 0

    def as_item(self, call: Call, specs: tuple[ToolSpec, ...] | None) -> FunctionCall | McpCall | McpApprovalRequest:
        """What the client is shown of a call; ``specs``: the answer's own tools. One of an unknown tool is the
        client's."""
        kind = self._tools.kind_of(call.name, specs)
        if not isinstance(kind, tuple):
            return self._as_function(call)
        server, tool = kind
        is_asked = self._tools.needs_approval(server, tool)
        item_id = new_id("mcpr" if is_asked else "mcp")
        self._servers[item_id] = server
        item = McpApprovalRequest if is_asked else McpCall
        return item(id=item_id, status="in_progress", label=server.label, name=tool.name, arguments="")

    def _as_function(self, call: Call) -> FunctionCall:
        """Small chat servers give the same id again and again; clients tell calls apart by it."""
        item = as_function(call)
        if item.call_id in self._call_ids or self._conversation.history.call_of(item.call_id) is not None:
            item = structs.replace(item, call_id=new_id("call"))
        self._call_ids.add(item.call_id)
        return item

    def carry_out(self, answer: Answer, given: Given) -> None:
        """The call is whole and its answer let out: begin."""
        item = given.entry.item
        if isinstance(item, McpApprovalRequest):
            self._asked[item.id] = (answer.id, given.index)
        if not isinstance(item, McpCall):
            return

        def done(entry: Entry) -> Event:
            return ReplyItemDone(
                reply_id=answer.id,
                item=entry.item,
                previous_item_id=given.previous_id,
                in_conversation=answer.reply.manner.in_conversation,
                index=given.index,
            )

        self._start(self._servers.pop(item.id), given.entry, answer.id, given.index, done)

    def require(self, response: McpApprovalResponse) -> McpApprovalRequest:
        """The request that ``response`` answers. Raises ClientError where nobody asked."""
        request = self._conversation.history.find(response.approval_request_id)
        is_asked = response.approval_request_id in self._asked
        if not is_asked or request is None or not isinstance(request.item, McpApprovalRequest):
            raise ClientError(
                f"There is no approval request '{response.approval_request_id}' that waits for an answer.",
                param="item.approval_request_id",
            )
        return request.item

    def respond(self, response: McpApprovalResponse) -> None:
        """The client says whether a tool may be called. Raises ClientError where nobody asked."""
        request = self.require(response)
        reply_id, index = self._asked.pop(request.id)
        server = self._servers.pop(request.id)
        item = McpCall(
            id=new_id("mcp"),
            status="in_progress",
            label=request.label,
            name=request.name,
            arguments=request.arguments,
            approval_request_id=request.id,
        )
        entry = self._conversation.history.add(item)
        previous_id = self._conversation.history.previous_id(item.id)
        self._say(ItemAdded(item=item, previous_item_id=previous_id))

        def done(entry: Entry) -> Event:
            return ItemDone(item=entry.item, previous_item_id=previous_id)

        if response.approve:
            self._start(server, entry, reply_id, index, done)
            return
        refusal = McpFailure(
            kind="tool_execution_error", message=response.reason or "The user did not allow this call."
        )
        self._running += 1
        self._end(entry, refusal, reply_id, index, done)

    def _start(
        self, server: McpServer, entry: Entry, reply_id: str, index: int, done: Callable[[Entry], Event]
    ) -> None:
        item = entry.item
        assert isinstance(item, McpCall), "only these run here"
        self._running += 1
        self._say(McpCallProgress(reply_id=reply_id, item=item, phase="in_progress", index=index))
        self.tasks.start_soon(self._run, server, entry, reply_id, index, done)

    async def _run(
        self, server: McpServer, entry: Entry, reply_id: str, index: int, done: Callable[[Entry], Event]
    ) -> None:
        item = entry.item
        assert isinstance(item, McpCall), "only these run here"
        self._end(entry, await self._tools.run(server, item.name, item.arguments), reply_id, index, done)

    def _end(
        self, entry: Entry, outcome: str | McpFailure, reply_id: str, index: int, done: Callable[[Entry], Event]
    ) -> None:
        item = entry.item
        assert isinstance(item, McpCall), "only these run here"
        if isinstance(outcome, McpFailure):
            item = structs.replace(item, status="completed", failure=outcome)
        else:
            item = structs.replace(item, status="completed", output=outcome)
        entry.item = item
        self._conversation.history.version += 1
        phase: ProgressPhase = "failed" if isinstance(outcome, McpFailure) else "completed"
        self._say(McpCallProgress(reply_id=reply_id, item=item, phase=phase, index=index))
        self._say(done(entry))
        self._running -= 1
        if not self._running:
            self._on_answered()
