"""The words that tell how English ends: what 'words' looks for, in tables."""

from __future__ import annotations

import re

# How texts end, by kind; the longest phrase that fits decides. What is "leading on" stands before a noun or a verb.
_ENDINGS = {
    "leading on": "the|a|an|my|your|our|their|its|his|every|some|any|another|other|both|each|whose|of|san|los|las|just"
    "|very|one of|some of|all of|kind of|sort of|type of|a couple of|a bit of|a lot of|lots of|such as|like a"
    "|i want to|i need to|i'd like to|i would like to|i would like|i'd like|can you|could you|can i|could i|i wanna",
    "preposition": "for|with|from|by|at|into|onto|than|during|between|through|without|against|as|like|about|around"
    "|near|under|to|on|in|toward|towards|after|before|until|till|per",
    "conjunction": "and|but|or|nor|if|when|while|because|cause|whether|although|unless|since|and then|and so|but then"
    "|so that|and that|which|who|where|how|that if|and if|but if|so if|even if|or if",
    "subject": "i|we|they|he|she|i'm|i'd|i'll|i've|you're|you'll|you'd|you've|we're|we'll|we'd|we've|they're|they'll"
    "|they've|he's|she's|it's|it'll|that's|there's|what's|where's|how's|who's|here's|let's|that'll|and it|and you"
    "|but it|so it|if you|if it|when you|when it|that you|because it|because you|yes it|yes that|no it|no that",
    "auxiliary": "is|are|was|were|am|be|been|being|can|could|will|would|should|must|may|might|shall|has|had|does|did"
    "|having|getting|that is|what is|this is|it was|that was|there is|there are|there was|i am|i was|i have|we have"
    "|i like|you want|we need|have to|going to|got to|able to|used to|supposed to|do you|did you|are you|do i|do they"
    "|does it|would be|will be|can be|to be|can't|won't|isn't|wasn't|aren't|doesn't|didn't|couldn't|wouldn't|shouldn't"
    "|haven't|hasn't|gonna|wanna|gotta|who is|where is|how is|when is|how are|what are|and is",
    "wish": "i'd love|i would love|want to|need to|like to|love to|trying to|try to|would you|will you|can we|should i"
    "|may i|i'm looking|i am looking|i was wondering|i want|i need",
    "lacks its object": "get|book|reserve|order|buy|make|find|check|search|add|tell|give|bring|send|find me|get me"
    "|tell me|give me|show me|book me|order me|let me|let us|help me|how about|what about|looking for|searching for"
    "|interested in|sounds|looks|seems|what time|what kind|what sort|how many|thank|thank you for|thanks for"
    "|please find|please book|please make|please play|to get|to find|to book|to order|to buy|to make|to see|to have"
    "|to play|to reserve|to check|to use|to set|to put|to watch|using|leaving|turn|call|set|remind|remind me|in new",
    "degree": "really|pretty|quite|also|even|more|most|less|actually|maybe|probably|perhaps|not|only|almost|rather"
    "|such|certain|specific|different|several|many|a few|first of all|for example|a little|a couple",
    "hedge": "i think|you know|i mean|i guess|i suppose|i don't|i believe|well|so|oh|basically|like i said|let's see"
    "|let me see|let me think|ok so|okay so|yeah so|i say|they say|he said|she said|i said|and like|was like|i'm like"
    "|okay well|oh well|so then|and now|by the way",
    "demonstrative": "this|these|those|of this|with this|of these|of that|in this|on this|for this|that|is that",
    "greeting": "hi|hello|hey|hey there|hi there|good morning|good afternoon|good evening|excuse me",
    "answer": "yes|yeah|no|nope|yep|yup|ok|okay|alright|all right|sure|no no|not really|not now|sounds good"
    "|sounds great|great|perfect|cool|awesome|nice",
    "last word": "right|that's right|exactly|correct|absolutely|definitely|that's correct|is correct|is right"
    "|that's it|be all|i see|i agree|good idea|i think so|think so|it does|i do|i did|i don't think so|of course"
    "|no problem|got it|that's fine|that's good|that's perfect|is fine|is good|is perfect|looks good|looks great"
    "|looks right|sounds perfect|will work|be fine|be great|be good|be perfect|bye|goodbye|bye bye|see you|you too|wow"
    "|sorry|i don't know|oh i see|me too|never mind|stop|stop it|stop that|cancel|all i need|all i needed|what i want"
    "|what i need|i needed|all i want|please do|yes please|no thanks|no thank you|yes thanks|true|that's true|mm hmm"
    "|mm hm|mhm|m hm|uh huh|wonderful|no that's all|no that's it|oh okay|oh yeah|oh really|yeah yeah",
    "courtesy": "please|thanks|thank you|thanks again|thank you very much|thank you so much|so much|very much"
    "|your help|the help|your assistance|for everything|go ahead|if possible|for now",
    "adverb": "today|tomorrow|tonight|now|right now|again|too|as well|instead|here|there|yet|already|anyway|anymore"
    "|any more|later|online|or not|or something|or whatever|or so|at all|for me|to me|for you|to you|with me|with you"
    "|pm|am|o'clock|this morning|this afternoon|this evening|the morning|the afternoon|the evening|at night|next week"
    "|this week|next month|this month|monday|tuesday|wednesday|thursday|friday|saturday|sunday|that day|ahead|else"
    "|though|either|ever|of it|about it|for it|to it|with it|in it|on it|for that|with that|about that|like that"
    "|do that|do it|to do|of them|possible|once|twice|is it|isn't it|do you think|you mean|right here|over there"
    "|in there|out there|up there|january|february|march|april|june|july|august|september|october|november|december"
    "|it is|that works|that's all|is all|that is all|is great|that's great|a lot",
    "object": "me|us|him|them|it|myself|yourself|yours|mine|one|ones|that one|this one|everything|something|anything"
    "|nothing|everyone|someone|anyone|everybody|somebody",
}


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


KIND_OF_ENDING = {phrase: kind for kind, phrases in _ENDINGS.items() for phrase in phrases.split("|")}
# What stands before a sentence and is no part of it.
OPENERS = _set("and so but well okay ok yeah yes no oh then hi hello hey also sure great thanks alright please")
# "Because it rains." and "Since Monday." are whole answers.
SUBORDINATORS = _set("if when while although unless whenever")
ASKING = _set(
    "what when where who why how which whose is are was were do does did can could will would should may have has"
    " what's where's who's how's isn't don't doesn't didn't"
)
# The commonest, to tell a clause from a mere phrase.
VERBS = _set(
    "is are was were am be been have has had do does did can could will would should must may might want wants need"
    " needs like likes think know say said go goes going come get got make take see look find give tell work works"
    " use uses try let begin seem help show play run move live mean keep put i'm i'd i'll i've you're we're they're"
    " it's that's there's he's she's don't didn't doesn't can't won't let's what's where's gonna wanna isn't book"
    " order sounds sound looks"
)
DIGITS = _set("zero oh one two three four five six seven eight nine double triple")
# What is asked for comes after it.
REQUEST = re.compile(
    r".*\b(?:i want to|i'd like to|i would like to|i need to|i want|i'd like|i would like|i need"
    r"|(?:can|could|would|will) you|can i get|can i have|can i|could i|please|i'm looking for|i am looking for)\b"
)
