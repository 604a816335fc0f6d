"""Calls of the model's that are carried out here: tools of MCP servers, approved by the client where it must be.

A call begins only when its answer was let out, never for an attempt. It runs beside the conversation: the answer that
it came with ends, the user may go on talking, and what the tool gives is asked about in the next prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anyio.abc import TaskGroup
from msgspec import structs

from duologue.errors import ClientError
from duologue.events import Event, ItemAdded, ItemDone, McpCallProgress, ReplyItemDone
from duologue.items import (
    FunctionCall,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpFailure,
    McpServer,
    ProgressPhase,
    ReplyOptions,
    ToolSpec,
    new_id,
)
from duologue.session.answer import Answer
from duologue.session.conversation import Conversation
from duologue.session.given import Given, as_function
from duologue.session.history import Entry
from duologue.session.tools import Tools
from duologue.session.writing import Call

GONE = McpFailure(kind="protocol_error", message="this tool is not offered any more")


@dataclass(slots=True)
class _Run:
    """One call. ``answer``, ``index``: where the model made it; ``server`` None: its tool is not offered any more;
    ``previous_id``: the item before it; ``is_approved``: it had to be, and so is an item of the conversation alone."""

    answer: Answer
    index: int
    entry: Entry
    server: McpServer | None
    previous_id: str | None
    is_approved: bool = False

    @property
    def item(self) -> McpCall:
        assert isinstance(self.entry.item, McpCall), "only these run here"
        return self.entry.item

    @property
    def in_conversation(self) -> bool:
        return self.is_approved or self.answer.reply.manner.in_conversation

    def progress(self, phase: ProgressPhase) -> Event:
        return McpCallProgress(reply_id=self.answer.id, item=self.item, phase=phase, index=self.index)

    def done(self) -> Event:
        if self.is_approved:
            return ItemDone(item=self.item, previous_item_id=self.previous_id)
        return ReplyItemDone(
            reply_id=self.answer.id,
            item=self.item,
            previous_item_id=self.previous_id,
            in_conversation=self.in_conversation,
            index=self.index,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call that waits for the client to allow it."""

    answer: Answer
    given: Given
    request: McpApprovalRequest
    server: McpServer


class Calling:
    """One session's calls under way. ``on_answered`` is told when all of them have and nobody has asked for an answer
    yet: how that one is to be given."""

    def __init__(
        self,
        tools: Tools,
        conversation: Conversation,
        say: Callable[[Event], None],
        on_answered: Callable[[ReplyOptions], None],
    ) -> None:
        self._tools = tools
        self._conversation = conversation
        self._say = say
        self._on_answered = on_answered
        self._asked: dict[str, _Asked] = {}
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
        owner = self._tools.owner_of(call.name, specs)
        if owner is None:
            return self._as_function(call)
        kind = self._tools.kind_of(call.name, specs)
        is_asked = isinstance(kind, tuple) and self._tools.needs_approval(*kind)
        item = McpApprovalRequest if is_asked else McpCall
        label, name = owner
        return item(
            id=new_id("mcpr" if is_asked else "mcp"), status="in_progress", label=label, name=name, arguments=""
        )

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
        if not isinstance(item, McpApprovalRequest | McpCall):
            return
        server = self._tools.server_of(item.label, item.name, answer.options.tools)
        if isinstance(item, McpCall):
            self._begin(_Run(answer, given.index, given.entry, server, given.previous_id))
        elif server is not None:
            self._asked[item.id] = _Asked(answer, given, item, server)

    def require(self, response: McpApprovalResponse) -> None:
        """Raises ClientError where nobody asked for ``response``."""
        if response.approval_request_id not in self._asked:
            raise ClientError(
                f"There is no approval request '{response.approval_request_id}' that waits for an answer.",
                param="item.approval_request_id",
            )

    def respond(self, response: McpApprovalResponse) -> None:
        """The client says whether a tool may be called. Raises ClientError where nobody asked."""
        self.require(response)
        asked = self._asked.pop(response.approval_request_id)
        item = McpCall(
            id=new_id("mcp"),
            status="in_progress",
            label=asked.request.label,
            name=asked.request.name,
            arguments=asked.request.arguments,
            approval_request_id=asked.request.id,
        )
        entry = self._conversation.history.add(item)
        previous_id = self._conversation.history.previous_id(item.id)
        self._say(ItemAdded(item=item, previous_item_id=previous_id))
        run = _Run(asked.answer, asked.given.index, entry, asked.server, previous_id, is_approved=True)
        if response.approve:
            self._begin(run)
            return
        message = response.reason or "The user did not allow this call."
        self._end(run, McpFailure(kind="tool_execution_error", message=message))

    def _begin(self, run: _Run) -> None:
        self._running += 1
        self._say(run.progress("in_progress"))
        self.tasks.start_soon(self._run, run)

    async def _run(self, run: _Run) -> None:
        item = run.item
        outcome = GONE if run.server is None else await self._tools.run(run.server, item.name, item.arguments)
        self._running -= 1
        self._end(run, outcome)

    def _end(self, run: _Run, outcome: str | McpFailure) -> None:
        has_failed = isinstance(outcome, McpFailure)
        given = {"failure": outcome} if has_failed else {"output": outcome}
        run.entry.item = structs.replace(run.item, status="completed", **given)
        self._conversation.history.touch(run.entry)
        self._say(run.progress("failed" if has_failed else "completed"))
        is_deleted = run.in_conversation and self._conversation.history.find(run.item.id) is not run.entry
        if is_deleted:
            return
        self._say(run.done())
        if not self._running and run.in_conversation and run.answer.status != "cancelled":
            # What was asked of that answer holds for the next, but not that it calls.
            self._on_answered(structs.replace(run.answer.options, items=None, metadata=None, tool_choice=None))
