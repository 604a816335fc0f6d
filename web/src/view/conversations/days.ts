/** Groups a list by the day of the calendar, as the reader's clock has it. */

import type { Kept } from "duologue-client";

export interface Day {
  label: string;
  conversations: Kept[];
}

export interface DayNames {
  today: string;
  yesterday: string;
  /** Of the dates: a BCP 47 tag. */
  locale: string;
}

const DAY_MS = 86_400_000;

/** `list` stays in its order; neighbours of one day make a group. */
export function byDay(list: readonly Kept[], nowMs: number, names: DayNames): Day[] {
  const days: Day[] = [];
  for (const each of list) {
    const label = dayLabel(each.updatedMs, nowMs, names);
    const last = days.at(-1);
    if (last?.label === label) last.conversations.push(each);
    else days.push({ label, conversations: [each] });
  }
  return days;
}

export function dayLabel(ms: number, nowMs: number, { today, yesterday, locale }: DayNames): string {
  const ago = dayNumber(nowMs) - dayNumber(ms);
  // A clock that runs ahead of ours makes no conversation of tomorrow.
  if (ago <= 0) return today;
  if (ago === 1) return yesterday;
  const isThisYear = new Date(ms).getFullYear() === new Date(nowMs).getFullYear();
  return new Intl.DateTimeFormat(locale, {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(isThisYear ? {} : { year: "numeric" }),
  }).format(ms);
}

export function clockTime(ms: number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" }).format(ms);
}

/** Days of the calendar are counted, not spans of 24 hours: two of them a year have 23 or 25. */
function dayNumber(ms: number): number {
  const date = new Date(ms);
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / DAY_MS);
}
