from __future__ import annotations
import anyio, pytest
from duologue.engines.base import ChatDelta, ChatRequest, ToolCallDelta
from duologue.engines.scripted import *
from duologue.engines.scripted_tools import ScriptedToolServers
from duologue.errors import EngineError, EngineLost
from duologue.events import *
from duologue.session.replies import Ways
from tests.conversations.talk import *
from tests.virtual_time import VIRTUAL
pytestmark = pytest.mark.anyio
CLOCK = McpTool(name="clock", description="The time.", is_read_only=True)
WIPE = McpTool(name="wipe", description="wipe")
WEATHER = FunctionTool(name="weather", description="The weather of a place.")
def cfg(**k): return SessionConfig(tools=(McpServer(label="house", url="http://mcp/", asks_first=frozenset()),), **k)
@pytest.fixture
def anyio_backend(): return VIRTUAL
def dump(p):
    for at,e in p.log:
        n=type(e).__name__
        if n in("ReplyAudio",): continue
        print(f"{at:8.3f} {n} {[str(getattr(e,k))[:110] for k in ('reply_id','status','item','text','phase','message') if hasattr(e,k)]}")

class Once(ScriptedStream[ChatRequest, ChatDelta]):
    def __init__(self, script): self.asked=[]; self.script=script
    async def results(self, request):
        self.asked.append(request)
        told=[m for m in request.messages if m.role=="tool"]
        if told:
            yield ChatDelta(f"It is {told[-1].content}.", finish="stop"); return
        if len(self.asked)>1 and getattr(self,'once',False):
            yield ChatDelta("Still looking.", finish="stop"); return
        async for d in self.script(): yield d

async def test_c_dies_after_name():
    async def s():
        yield ChatDelta("", tool_call=ToolCallDelta(0,"id0","wipe",""))
        await anyio.sleep(0.1)
        raise EngineLost("gone")
    servers=ScriptedToolServers({"house":[WIPE]},{"wipe":"done"})
    async with talk(engines(chat=Once(s)), cfg(), servers=servers) as (p,_):
        await anyio.sleep(0.2)
        await p.tell(CreateItem(item=Message(id="i",role="user",parts=(Part(kind="input_text",text="hi"),))))
        await p.tell(CreateReply())
        await anyio.sleep(4)
        dump(p)
    assert servers.calls==[], servers.calls

async def test_c2_length():
    async def s():
        yield ChatDelta("", tool_call=ToolCallDelta(0,"id0","weather",'{"place": "Os'))
        await anyio.sleep(0.1)
        yield ChatDelta("", finish="length")
    async with talk(engines(chat=Once(s)), SessionConfig(tools=(WEATHER,))) as (p,_):
        await p.tell(CreateReply())
        await anyio.sleep(2)
        dump(p)
    done=[e.item for e in p.heard(ReplyItemDone)]
    assert done[0].status!="completed", done

async def test_e_race():
    """The end of the call's arguments and the client's cancel in one pass of the loop."""
    ev=anyio.Event()
    async def s():
        yield ChatDelta("", tool_call=ToolCallDelta(0,"id0","wipe",'{"all":'))
        await ev.wait()
        yield ChatDelta("", tool_call=ToolCallDelta(0,arguments=' true}'))
        yield ChatDelta("", finish="tool_calls")
    servers=ScriptedToolServers({"house":[WIPE]},{"wipe":"done"})
    bad=[]
    for n in range(0,12):
      ev=anyio.Event()
      servers=ScriptedToolServers({"house":[WIPE]},{"wipe":"done"})
      try:
       async with talk(engines(chat=Once(s)), cfg(), servers=servers) as (p,_):
        await anyio.sleep(0.2)
        await p.tell(CreateReply())
        await p.until(ReplyArguments)
        await anyio.sleep(0.005)
        p.told.send_nowait(CancelReply())
        for _ in range(n): await anyio.lowlevel.checkpoint()
        ev.set()
        await anyio.sleep(0.4)
        names=[type(e).__name__ for _,e in p.log]
        st=p.heard(ReplyDone)[0].status
        i=names.index("ReplyDone")
        late=[x for x in names[i+1:] if x in("ReplyArguments","ReplyItemDone","McpCallProgress")]
        print(n, st, late, servers.calls)
        if st=="cancelled" and (late or servers.calls): bad.append((n,late,servers.calls))
      except AssertionError as e: print("checker",n,e); bad.append((n,str(e)[:100]))
    assert not bad

async def _slow(p, noise):
    await p.tell(CreateItem(item=Message(id="i",role="user",parts=(Part(kind="input_text",text="what time"),))))
    await p.tell(CreateReply())
    await anyio.sleep(1)
    await noise()
    await anyio.sleep(15)

def clockcall():
    async def s():
        yield ChatDelta("", tool_call=ToolCallDelta(0,"id0","clock",'{}'))
        yield ChatDelta("", finish="tool_calls")
    return s
async def test_f_cough_while_tool_works():
    servers=ScriptedToolServers({"house":[CLOCK]},{"clock":"noon"})
    m=Once(clockcall())
    async with talk(engines(chat=m, asr=hear_voices()), cfg(), servers=servers) as (p,_):
        await anyio.sleep(0.2); servers.delay_s=4
        await _slow(p, lambda: p.make_noise(0.3))
        dump(p)
    assert any("noon" in e.text for e in p.heard(ReplyText))

async def test_f2_talk_while_tool_works():
    servers=ScriptedToolServers({"house":[CLOCK]},{"clock":"noon"})
    class M(Once):
        async def results(self, request):
            self.asked.append(request)
            told=[m for m in request.messages if m.role=="tool"]
            if told and "noon" in told[-1].content: yield ChatDelta("It is noon.",finish="stop")
            elif told: yield ChatDelta("One moment.",finish="stop")
            else:
                async for d in self.script(): yield d
    m=M(clockcall())
    async with talk(engines(chat=m), cfg(), servers=servers) as (p,_):
        await anyio.sleep(0.2); servers.delay_s=6
        await _slow(p, lambda: p.speak(0.8))
        dump(p)
    assert any("noon" in e.text for e in p.heard(ReplyText))

async def test_g_cancel_in_arguments():
    async def s():
        yield ChatDelta("", tool_call=ToolCallDelta(0,"id0","clock",'{"a":'))
        await anyio.sleep(5)
        yield ChatDelta("", finish="tool_calls")
    servers=ScriptedToolServers({"house":[CLOCK]},{"clock":"noon"})
    m=Once(s); m.once=True
    async with talk(engines(chat=m), cfg(), servers=servers) as (p,_):
        await anyio.sleep(0.2)
        await p.tell(CreateItem(item=Message(id="i",role="user",parts=(Part(kind="input_text",text="what time"),))))
        await p.tell(CreateReply())
        await anyio.sleep(1)
        await p.tell(CancelReply())
        await anyio.sleep(3)
        dump(p)
    assert len(p.heard(ReplyStarted))==1

async def test_h_create_swallowed():
    servers=ScriptedToolServers({"house":[CLOCK]},{"clock":"noon"})
    m=Once(clockcall())
    async with talk(engines(chat=m, tts=ScriptedSynthesizer(phrase_s=2.0)), cfg(), servers=servers) as (p,_):
        await anyio.sleep(0.2)
        await p.tell(CreateItem(item=Message(id="i",role="user",parts=(Part(kind="input_text",text="what time"),))))
        await p.tell(CreateReply())
        await p.until(ReplyDone,2)
        await anyio.sleep(0.3)
        await p.tell(CreateReply(ref="mine"))
        await anyio.sleep(8)
        dump(p)
    assert len(p.heard(ReplyStarted))==3 or p.heard(Failed)

async def test_i_clear_playout_while_thinking():
    async with talk(engines(delays_s={"asr":1.0})) as (p,_):
        await p.speak(1.0)
        await p.until(TurnCommitted)
        await p.tell(ClearPlayout())
        await anyio.sleep(6)
        dump(p)
    assert p.heard(ReplyStarted)

async def test_i2_clear_playout_text_reply():
    async with talk(engines(chat=ScriptedChat(word_s=0.2)), SessionConfig(modality="text")) as (p,_):
        await p.tell(CreateReply())
        await anyio.sleep(.5)
        await p.tell(ClearPlayout())
        await anyio.sleep(6)
    print(p.heard(ReplyDone)[0].status)
    assert p.heard(ReplyDone)[0].status=="completed"

async def test_j_idle_after_off():
    c=SessionConfig(turn_detection=TurnDetection(idle_timeout_ms=2000))
    async with talk(engines(), c) as (p,_):
        await p.speak(1.0)
        await p.until(PlayoutStopped)
        await anyio.sleep(.1)
        await p.tell(Configure(config=SessionConfig(turn_detection=None)))
        await anyio.sleep(6)
        dump(p)
    assert not p.heard(IdleTimeout)

async def test_l_truncate_before_next():
    async with talk(engines(tts=ScriptedSynthesizer(phrase_s=1.8))) as (p,_):
        await p.tell(CreateReply())
        await p.until(ReplyDone)
        await p.tell(CreateReply())
        await p.until(ReplyDone,2)
        a=p.heard(ReplyItemDone)[0].item.id
        await p.tell(TruncateItem(item_id=a,audio_end_ms=100))
        await anyio.sleep(6)
        dump(p); 
        print([(type(e).__name__,e.reply_id) for e in p.heard(Event) if "Playout" in type(e).__name__] if False else [(type(e).__name__,e.reply_id) for _,e in p.log if "Playout" in type(e).__name__])
    started={e.reply_id for e in p.heard(PlayoutStarted)}
    assert len(started)==2

async def test_m_filler_cough():
    f=FunctionTool(name="weather")
    async def s():
        yield ChatDelta("", tool_call=ToolCallDelta(0,"id0","weather",'{}'))
        yield ChatDelta("", finish="tool_calls")
    m=Once(s)
    async with talk(engines(chat=m, asr=hear_voices(), tts=ScriptedSynthesizer(phrase_s=3)), SessionConfig(tools=(f,)), ways=Ways(filler="Let me see, this may take a while.", filler_after_s=0.5)) as (p,_):
        await p.tell(CreateItem(item=Message(id="i",role="user",parts=(Part(kind="input_text",text="what time"),))))
        await p.tell(CreateReply())
        await p.until(ReplyAudio)
        await p.tell(CreateItem(item=FunctionOutput(id="o",call_id="id0",output="sunny")))
        await p.tell(CreateReply())
        await anyio.sleep(0.3)
        await p.make_noise(1.0)
        await anyio.sleep(15)
        dump(p)
    assert any("sunny" in e.text for e in p.heard(ReplyText))

async def test_o_input_sound():
    prompts=[]
    pcm=VOICE*50
    async with talk(engines(chat=remembering(prompts,"yes"))) as (p,_):
        await p.tell(CreateReply(options=ReplyOptions(items=(Message(id="i",role="user",parts=(Part(kind="input_audio",pcm=pcm,rate_hz=24000),)),),in_conversation=False)))
        await anyio.sleep(3)
    print(prompts)
    assert any(r=="user" for r,_ in prompts[0])

async def test_p_32nd():
    async def s():
        for i in range(32):
            yield ChatDelta("", tool_call=ToolCallDelta(i,f"id{i}","weather",'{"n":'))
            yield ChatDelta("", tool_call=ToolCallDelta(i,arguments=f' {i}'+'}'))
        yield ChatDelta("", finish="tool_calls")
    async with talk(engines(chat=Once(s)), SessionConfig(tools=(WEATHER,))) as (p,_):
        await p.tell(CreateReply()); await anyio.sleep(2)
    d=[e.item.arguments for e in p.heard(ReplyItemDone)]
    print(d[-2:]); assert d[-1].endswith("}")

async def test_q_two_sounds():
    prompts=[]
    pcm=VOICE*50
    async with talk(engines(chat=remembering(prompts,"yes"))) as (p,_):
        pt=Part(kind="input_audio",pcm=pcm,rate_hz=24000)
        await p.tell(CreateItem(item=Message(id="i",role="user",parts=(pt,pt))))
        await p.tell(CreateReply())
        await anyio.sleep(3)
    print(prompts)
    assert prompts[0][0][1].count("always")==2
