"""Phrases that Whisper took from the subtitles it learnt from, and writes over noise and silence."""

from __future__ import annotations

import re
import unicodedata

# Marks of a credit line or a caption, in any text: nobody says these to an assistant.
_CREDITS = re.compile(
    r"amara\.? ?org|dimatorzok"
    r"|^(subtitles?|captions?|transcription|translation) (by|provided by|edited by)\b"
    r"|^(sub)?titulos realizados\b|^legendas (pela|por)\b|^sottotitoli (creati|a cura|e revisione)\b"
    r"|^sous-titr\w* (realises|par|societe|fr|st)\b|^untertitel(ung)?( im auftrag)? (der|des|von)\b"
    r"|^ondertitel\w* (door|ingediend)\b|^napisy (stworzone|przez)\b|^altyazi m\b"
    r"|^(редактор субтитров|субтитры (сделал|создавал|подготов|добавил))"
    r"|字幕(由|製作|志愿者)|請不吝點贊|请不吝点赞|明镜与点点"
    r"|^\W*[♪♫©]"
    r"|^[\[(][^\])]*[\])]$"
)
# Phrases that people do say: the rest of the evidence decides.
_LIKELY = frozenset(
    phrase.strip()
    for phrase in """
    you|bye|bye bye|so|oh|the|thank you|thank you very much|thank you so much|thank you bye|thanks
    thanks for watching|thank you for watching|thank you so much for watching|thanks for listening
    thank you for listening|please subscribe|please subscribe to my channel|like and subscribe
    dont forget to like and subscribe|see you next time|see you in the next video|ill see you next time
    vielen dank|vielen dank fur ihre aufmerksamkeit|danke furs zuschauen|bis zum nachsten mal|tschuss
    merci|merci davoir regarde cette video|a bientot|gracias|gracias por ver el video|hasta la proxima
    suscribete al canal|obrigado|obrigado por assistir|grazie|grazie a tutti|grazie per la visione
    bedankt voor het kijken|dziekuje za uwage|dzieki za ogladanie|izlediginiz icin tesekkur ederim
    спасибо за просмотр|продолжение следует|спасибо|подписывайтесь на канал
    ご視聴ありがとうございました|ありがとうございました|チャンネル登録お願いします
    谢谢观看|谢谢大家|謝謝觀看|感谢观看|시청해주셔서 감사합니다|감사합니다
    """.replace("\n", "|").split("|")
)


def is_credit(text: str) -> bool:
    """Is ``text`` a credit line, a caption in brackets or a note of music?"""
    return bool(_CREDITS.search(_folded(text)))


def is_likely_phantom(text: str) -> bool:
    """Is the whole of ``text`` (its marks and its case aside) a phrase that Whisper is fond of?"""
    words = " ".join(re.sub(r"[^\w\s]", "", _folded(text).replace("-", " ")).split())
    return bool(words) and words in _LIKELY


def _folded(text: str) -> str:
    """Small letters without Latin accents; other scripts as they are."""
    parts = unicodedata.normalize("NFD", text.strip().casefold().replace("ı", "i"))
    return unicodedata.normalize("NFC", re.sub(r"(?<=[a-z])[\u0300-\u036f]+", "", parts))
