"""Clock times: `4:30 p.m.`, `16:30`."""

import math
import re
from typing import NamedTuple


CLOCK_TIME = re.compile(r"(\d{1,2})(?::(\d\d))?\s?(?:«([ap])m»)?")


class ClockTime(NamedTuple):
    """A time of the day.

    Args:
        hour (`int`): The hour as it is written, 4 in `4:30 p.m.`
        minute (`int`, *optional*): The minute, if there is one.
        half (`str`, *optional*): `a` before noon, `p` after noon, `None` if that is not said.
    """

    hour: int
    minute: int | None
    half: str | None


def same_time(gold: str, answer: str) -> bool | None:
    """Compares two times of the day. Either may leave out whether it is before or after noon.

    Without `a.m.` or `p.m.`, a gold in lowest terms such as `2:15` may be a ratio, which is not compared here.

    Args:
        gold (`str`): The gold answer.
        answer (`str`): The answer to grade.

    Returns:
        `bool`, *optional*: Whether they are the same time, or `None` if they are not both times.

    >>> same_time("4:30«pm»", "16:30"), same_time("4:30«pm»", "4:30"), same_time("4:30«pm»", "4:30«am»")
    (True, True, False)
    """
    gold_time = _parse(gold)
    time = _parse(answer)
    if gold_time is None or time is None:
        return None
    if not gold_time.half and not time.half and not _is_no_ratio(gold_time) and time.minute != 0:
        return None
    if (gold_time.minute or 0) != (time.minute or 0):
        return False
    is_12_hour_clock = gold_time.half is None or time.half is None
    if is_12_hour_clock and time.hour == gold_time.hour:
        return True
    is_mere_number = time.minute is None and time.half is None
    return not is_mere_number and _hour_of_day(time) == _hour_of_day(gold_time)


def _parse(text: str) -> ClockTime | None:
    match = CLOCK_TIME.fullmatch(text)
    if not match:
        return None
    hour, minute, half = match.groups()
    if minute is not None:
        minute = int(minute)
    return ClockTime(int(hour), minute, half)


def _is_no_ratio(time: ClockTime) -> bool:
    """Whether `4:30` cannot be a ratio, since it would be written in lowest terms."""
    return time.minute == 0 or (time.minute is not None and math.gcd(time.hour, time.minute) > 1)


def _hour_of_day(time: ClockTime) -> int:
    """The hour from 0 to 23; as it is written if nothing is said about noon."""
    if time.half is None:
        return time.hour
    if time.half == "a":
        return time.hour % 12
    return time.hour % 12 + 12
