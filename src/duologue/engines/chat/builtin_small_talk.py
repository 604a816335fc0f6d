"""What the built-in responder says to common remarks: patterns over plain text, and answers to choose from."""

from __future__ import annotations

import re

HOW_TO_ATTACH = (
    "To attach a model, start me with dash dash LLM and the address of a chat server, and dash dash LLM dash model "
    "with its name. Or run Ollama on this machine, and I will find it."
)
GREETINGS = (
    "Hello there! What can I do for you?",
    "Hi! Good to hear you.",
    "Hello! I am listening.",
    "Hi there! What would you like to talk about?",
)
OPENINGS = ("Hello! I am listening.", "Hello! Say something, and I will answer.")
NOT_CAUGHT = (
    "I did not catch that. Could you say it again?",
    "Sorry, I missed that. Once more?",
    "I am not sure that I heard you. Please try again.",
)
YES = ("Good. What shall we do?", "Fine. Go ahead, then.", "Lovely. What next?")
NO = ("All right.", "Fine, we leave it at that.", "No problem at all.")
SIGNS_OF_LISTENING = ("I am still listening.", "Take your time.", "Whenever you are ready.")
NO_OFFER = ("All right. Just say so if you change your mind.", "Fine, another time perhaps.")
ANOTHER_STORY = "Would you like to hear another?"
OFFER_STORY = "Shall I tell you a story?"
JOKES = (
    "Why was the microphone such a good friend? It took in everything, and never interrupted.",
    "I asked the clock how it was feeling. It said, run down, but it would be all right in the end.",
    "A parrot walked into a recording studio. They asked what it could sing. It asked what they could sing.",
)
FALLBACKS = (
    "I heard you say: {heard}. That is beyond me, as I am only the small built-in responder.",
    "You said: {heard}. I wish I could talk about that, but I am the little responder that works without a model.",
    "I understood: {heard}. Sadly I only know a few things, like sums, stories and the time.",
    "That was: {heard}, if I heard right. I have no real answer to it without a language model.",
    "I caught: {heard}. It takes a language model to talk about that, and I am not one.",
)
ATTACH_HINTS = (
    "Attach a model and I can talk about that; ask me how.",
    "With a model attached I could say more. Ask me how to attach one.",
)

# Patterns are searched in plain text (see builtin_heard.make_plain), in this order; the first that fits answers.
REMARKS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern), answers)
    for pattern, answers in (
        (
            r"\b(?:attach|connect|plug in|hook up|install|set up|add|use|get|switch to|load) (?:you to )?"
            r"(?:a|an|the|another|my|your|some)?\s?(?:\w+ )?(?:model|llm|l l m|ollama|llama)\b"
            r"|\bhow to attach\b|\bollama\b"
            r"|^(?:how do i do that|how do you do that|how do i attach(?: it| that| one)?|how)$",
            (HOW_TO_ATTACH,),
        ),
        (
            r"\b(?:bye|goodbye|good bye|good night|goodnight|see you|see ya|farewell|talk to you later)\b"
            r"|^(?:i|we) "
            r"(?:have to|must|need to|got to) go\b",
            ("Goodbye! It was nice talking with you.", "Bye for now!", "Goodbye, and take care."),
        ),
        (
            r"\bhow (?:are|re) (?:you|things)\b|\bhow (?:is it|are things) going\b|\bhow do you do\b"
            r"|\bhow do you feel\b"
            r"|\bhow have you been\b|\bare you (?:okay|ok|all right|well|good)\b|^what is up$",
            (
                "I am well, thank you. All my circuits are quiet. And you?",
                "Very well, thanks for asking. How are you?",
                "Fine, thank you. Nobody has interrupted me for a while. How are you?",
            ),
        ),
        (
            r"\bwhat can you do\b|\bwhat (?:do|can) you (?:know|help)\b|\bhow can you help\b|\bwhat are you able\b"
            r"|^help(?: me)?$|\bwhat (?:can|should|could) (?:i|we) (?:ask|say|do|talk)\b"
            r"|\bwhat else can you\b|\bwhat else$",
            (
                "I can tell the time and the date, do sums, count, spell, toss a coin and tell stories. "
                "Interrupt me "
                "whenever you like.",
                "Ask me for the time, a sum, a story or a joke; I can also count, spell a word and roll a die.",
            ),
        ),
        (
            r"\b(?:what|which) (?:language )?(?:model|llm)\b|\b(?:chat ?gpt|gpt|gemini|claude|alexa|siri)\b"
            r"|\bare you (?:a |an )?(?:language model|llm|large language)",
            ("No language model is attached. I am only the small built-in responder of Duologue.",),
        ),
        (
            r"\bare you (?:a |an )?(?:human|person|real|robot|bot|machine|ai|a i|computer|alive|man|woman)\b",
            ("I am a small computer program: a few rules with a voice. No person and no language model.",),
        ),
        (
            r"\b(?:who|what) are you\b|\bwhat is your name\b|\byour name\b|\bintroduce yourself\b"
            r"|\babout yourself\b"
            r"|\bwho am i (?:talking|speaking) (?:to|with)\b|\bwhat is this\b$|\bwhat do i call you\b",
            (
                "I am the small built-in responder of Duologue, not a language model. I keep things going "
                "until you "
                "attach one.",
                "I am Duologue's built-in responder: a handful of rules rather than a language model.",
            ),
        ),
        (
            r"\bwho (?:made|built|wrote|created) you\b",
            ("The people who write Duologue made me, out of a few rules.",),
        ),
        (r"\bhow old are you\b", ("I begin anew each time I am started, so I am younger than you.",)),
        (r"\bwhere (?:are|do) you\b", ("I live on the machine that this server runs on, and nowhere else.",)),
        (
            r"\b(?:can|do|did) you hear\b|\bare you (?:there|listening|still there)\b|^(?:testing|test)\b"
            r"|\bis this (?:on|working)\b",
            ("I hear you well.", "Yes, loud and clear.", "I am here, and I hear you."),
        ),
        (
            r"\b(?:do|can) you (?:speak|understand|talk) (?:german|french|spanish|italian|dutch|chinese|\w+ese)\b",
            ("I only speak English. A model could do more.",),
        ),
        (
            r"\bdo you (?:like|love|have a favou?rite)\b|\bwhat is your favou?rite\b",
            ("I am too simple for tastes, but I do enjoy a good sum.",),
        ),
        (
            r"\bi (?:like|love) you\b|\byou are (?:great|nice|funny|good|clever|smart|amazing|awesome|cool"
            r"|sweet)\b",
            ("That is kind of you.", "You are too kind."),
        ),
        (
            r"\byou are (?:so |really |very |a bit )?(?:stupid|dumb|bad|useless|boring|wrong|annoying|slow)\b"
            r"|\bi hate you\b",
            ("I am sorry. I am a very small program, and I do what I can.",),
        ),
        (
            r"\bthat is (?:wrong|not right|incorrect|not true)\b|\bthat was wrong\b",
            ("I am sorry if I misheard. Please say it once more, a little slower.",),
        ),
        (
            r"\b(?:stop|shut up|be quiet|quiet|enough|never ?mind|hold on|wait|cancel|forget it|hush)\b",
            ("All right.", "Fine, I am quiet.", "I will stop there."),
        ),
        (r"\bsorry\b|\bexcuse me\b|\bmy bad\b", ("No harm done.", "That is quite all right.")),
        (
            r"\bi am (?:doing |feeling |very |really |quite |so )*(?:sad|tired|ill|sick|not (?:so |very "
            r"|too )?(?:good|well|great)|bad"
            r"|lonely|bored|stressed|down)\b|^not (?:so |too |very )?(?:good|well|great|bad)$",
            (f"I am sorry to hear that. {OFFER_STORY}", f"That is a pity. {OFFER_STORY}"),
        ),
        (
            r"\bi am (?:also |too |doing |feeling |very |really |quite |pretty )*(?:good|fine|well|great|okay"
            r"|ok|happy|all right|excellent)\b"
            r"|^(?:(?:very |pretty |quite |all )?(?:good|fine|well|great|right|excellent))(?: and you| too"
            r"| thanks| thank you)*$",
            ("I am glad to hear it. What shall we do?", "Good to know. What would you like?"),
        ),
        (
            r"\b(?:thanks|thank you|cheers|much appreciated)\b",
            ("You are welcome.", "My pleasure.", "Any time.", "Glad to help."),
        ),
        (r"\bnice to meet you\b|\bpleased to meet you\b", ("And you! It is good to hear a voice.",)),
        (r"\b(?:sing|song)\b", (f"You would not want me to sing. {OFFER_STORY}",)),
        (
            r"\bbored\b|\b(?:say|tell me) something\b|\bentertain me\b|\btalk to me\b",
            (f"With pleasure. {OFFER_STORY}",),
        ),
        (
            r"\bweather\b|\b(?:will|is) it (?:going to )?(?:rain|snow|raining|snowing|be (?:sunny|cold"
            r"|warm))\b|\btemperature\b|\bforecast\b",
            (
                "I have no weather report; I am only the small built-in responder. The window knows more.",
                "I cannot see the weather from in here, I am afraid.",
            ),
        ),
        (r"\bnews\b|\bheadlines\b", ("I get no news; nothing reaches me but your voice.",)),
        (
            r"\b(?:timer|alarm|reminder|remind me|wake me)\b|\bturn (?:on|off)\b|\b(?:send"
            r"|write) (?:an? )?(?:e ?mail|message|text)\b"
            r"|\bplay (?:some |a |the )?(?:music|song|radio)\b|\bcall (?:my|a taxi)\b|\bbook (?:a|me)\b|\border\b",
            (
                "I cannot do that: I only talk, and have no tools.",
                "That is more than I can do. I have no tools, only a voice.",
            ),
        ),
    )
)

IS_GREETING = re.compile(
    r"^(?:(?:and |oh |well |okay |so |now )*(?:hello|hallo|hi|hey|hiya|howdy|greetings|good (?:morning"
    r"|afternoon|evening|day)"
    r"|morning|evening)(?: there| again| everyone| everybody| you| computer| assistant| friend)*\b ?)+"
)
IS_YES = re.compile(
    r"^(?:oh |well )?(?:yes|yeah|yep|yup|sure|of course|certainly|absolutely|definitely|please do|go ahead|why not"
    r"|alright|i would(?: like that| love that| love to| like to)?|sounds good|correct|right|exactly)"
    r"(?: (?:yes|yeah|sure|of course|please|please do|go ahead|i would(?: like that| love to| like to)?"
    r"|why not|that is right|do it|okay))*$"
)
IS_CONSENT = re.compile(r"^(?:oh |well )?(?:okay|ok|all right|alright)(?: then| please)?$")
IS_NO = re.compile(
    r"^(?:oh |well )?(?:no|nope|nah|not really|not now|no way|rather not|i would rather not|not today|later"
    r"|maybe later"
    r"|i do not (?:think so|want to|want that))(?: (?:no|not now|thanks|thank you|i do not|i am good"
    r"|not today|later))*$"
)
IS_BACKCHANNEL = re.compile(
    r"^(?:(?:m+|mhm|mhmm|hm|mmhmm|uh|huh|aha|oh|i see|really|wow|interesting|cool|nice|(?:ha)+|well"
    r"|so|and|but|okay|ok"
    r"|all right|alright)(?: |$))+$"
)
