"""The time and the date as people say them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from duologue.engines.chat.builtin_numbers import say_int, say_ordinal, say_year

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_TIME = re.compile(r"\bwhat time\b|\bthe time\b|\btime is it\b|\bhow late is it\b|\bgot the time\b|\bcurrent time\b")
_NOT_CLOCK = re.compile(r"\b(?:what time (?:do|does|did|will|are|should)|all the time|the time (?:of|when|to))\b")
_ELSEWHERE = re.compile(r"\btime\b.*\bin (?!the\b|here\b|a\b|my\b)(?P<place>[a-z ]{2,24})$")
_DATE = re.compile(
    r"\b(?:what|which|tell me the|the|todays|today's|current) (?:day|date|month|year)\b"
    r"|\bwhat is (?:today|tomorrow)(?:'s date|s date)?$|\b(?:day|date|year|month) is (?:it|today|tomorrow)\b"
    r"|\bwhat (?:day|date) (?:was|will)\b"
)
_NOT_DATE = re.compile(r"\b(?:the day (?!is|today|tomorrow)|the date of|day of the|the year \w*\d|make the day)\b")


def say_time(moment: datetime) -> str:
    """ "twenty to four in the afternoon" for 15:40."""
    hour, minute = moment.hour, moment.minute
    if minute == 0 and hour in {0, 12}:
        return "exactly midnight" if hour == 0 else "exactly noon"
    next_hour = say_int(hour % 12 + 1)
    this_hour = say_int((hour - 1) % 12 + 1)
    if minute == 0:
        said = f"{this_hour} o'clock"
    elif minute <= 30:
        said = f"{_say_minutes(minute)} past {this_hour}"
    else:
        said = f"{_say_minutes(60 - minute)} to {next_hour}"
    return f"{said} {_part_of_day(hour)}"


def _say_minutes(minutes: int) -> str:
    if minutes in {15, 30}:
        return "quarter" if minutes == 15 else "half"
    unit = "" if minutes % 5 == 0 else " minute" if minutes == 1 else " minutes"
    return say_int(minutes) + unit


def _part_of_day(hour: int) -> str:
    if hour < 5 or hour >= 22:
        return "at night"
    return "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"


def say_date(moment: datetime) -> str:
    """ "Saturday, the twenty-first of November, twenty twenty-six"."""
    return (
        f"{_DAYS[moment.weekday()]}, the {say_ordinal(moment.day)} of {_MONTHS[moment.month - 1]}, "
        f"{say_year(moment.year)}"
    )


def answer_clock(plain: str, now: datetime) -> str | None:
    """The answer to a question for the time or the date; None for anything else. ``plain``: see make_plain."""
    if _TIME.search(plain) and not _NOT_CLOCK.search(plain):
        elsewhere = _ELSEWHERE.search(plain)
        if elsewhere:
            return f"I only have the clock of this machine, which says it is {say_time(now)}."
        return f"It is {say_time(now)}."
    if _DATE.search(plain) and not _NOT_DATE.search(plain):
        return _answer_date(plain, now)
    return None


def _answer_date(plain: str, now: datetime) -> str:
    if "tomorrow" in plain:
        return f"Tomorrow is {say_date(now + timedelta(days=1))}."
    if "yesterday" in plain:
        return f"Yesterday was {say_date(now - timedelta(days=1))}."
    if re.search(r"\byear\b", plain):
        return f"It is the year {say_year(now.year)}."
    if re.search(r"\bmonth\b", plain):
        return f"It is {_MONTHS[now.month - 1]}, {say_year(now.year)}."
    return f"It is {say_date(now)}."
