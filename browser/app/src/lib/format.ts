// Times, spans and money in the reader's language and zone.
import { locale } from './words'

// To make one costs a slow phone several milliseconds.
const cache = new Map<string, unknown>()
function made<F>(key: string, make: () => F): F {
  let f = cache.get(key) as F | undefined
  if (!f) cache.set(key, (f = make()))
  return f
}
const date = (options: Intl.DateTimeFormatOptions) => made('d' + locale() + JSON.stringify(options), () => new Intl.DateTimeFormat(locale(), options))
const relative = (style: 'long' | 'short') => made('r' + locale() + style, () => new Intl.RelativeTimeFormat(locale(), { style, numeric: 'auto' }))

export const clockTime = (at: string | number | Date) => date({ hour: 'numeric', minute: '2-digit' }).format(new Date(at))

const days = (at: Date, from: Date) => Math.round((new Date(at).setHours(0, 0, 0, 0) - new Date(from).setHours(0, 0, 0, 0)) / 86_400_000)

/** "14:05" today, "tomorrow 10:00", "Tue 10:00" within a week, "3 Mar, 10:00" beyond. */
export function when(at: string | number | Date, now: number | Date = Date.now()): string {
  const d = new Date(at)
  const off = days(d, new Date(now))
  if (off === 0) return clockTime(d)
  if (Math.abs(off) === 1) return relative('long').format(off, 'day') + ' ' + clockTime(d)
  if (Math.abs(off) < 7) return date({ weekday: 'short', hour: 'numeric', minute: '2-digit' }).format(d)
  const sameYear = d.getFullYear() === new Date(now).getFullYear()
  return date({ day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit', ...(sameYear ? {} : { year: 'numeric' }) }).format(d)
}

/** A day of a calendar, "2026-03-02", as "Mon". */
export const weekday = (text: string) => date({ weekday: 'short', timeZone: 'UTC' }).format(new Date(text))

/** "Tuesday 3 March". */
export const dayName = (at: string | number | Date) => date({ weekday: 'long', day: 'numeric', month: 'long' }).format(new Date(at))

/** A day of a calendar, "2026-03-02", in words: it is the same in every zone. */
export const day = (text: string) => date({ day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' }).format(new Date(text + 'T00:00:00Z'))

export const full = (at: string | number | Date) => date({ dateStyle: 'full', timeStyle: 'medium' }).format(new Date(at))

const unit = (n: number, u: string) => made('u' + locale() + u, () => new Intl.NumberFormat(locale(), { style: 'unit', unit: u, unitDisplay: 'short', maximumFractionDigits: 0 })).format(n)

/** A span in its largest unit: "45 sec", "12 min", "3 hr", "2 days". */
export function span(ms: number): string {
  const s = Math.max(0, ms) / 1000
  if (s < 60) return unit(Math.floor(s), 'second')
  if (s < 3600) return unit(Math.floor(s / 60), 'minute')
  if (s < 86_400) return unit(Math.floor(s / 3600), 'hour')
  return unit(Math.floor(s / 86_400), 'day')
}

/** How long ago, as a phrase: "4 min. ago". */
export function ago(ms: number): string {
  const s = Math.max(0, ms) / 1000
  const f = relative('short')
  if (s < 10) return f.format(0, 'second')
  if (s < 60) return f.format(-Math.floor(s), 'second')
  if (s < 3600) return f.format(-Math.floor(s / 60), 'minute')
  if (s < 86_400) return f.format(-Math.floor(s / 3600), 'hour')
  return f.format(-Math.floor(s / 86_400), 'day')
}

/** Minutes and seconds for what runs: "0:07", "12:40", "1:02:09". */
export function stopwatch(ms: number): string {
  const s = Math.max(0, Math.ceil(ms / 1000))
  const two = (n: number) => String(n).padStart(2, '0')
  const h = Math.floor(s / 3600)
  return (h ? `${h}:${two(Math.floor(s / 60) % 60)}` : String(Math.floor(s / 60))) + ':' + two(s % 60)
}

export const money = (minor: number, currency: string) => {
  const f = new Intl.NumberFormat(locale(), { style: 'currency', currency, maximumFractionDigits: minor % 100 ? 2 : 0 })
  return f.format(minor / 10 ** (new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2))
}

/** Below a thousand every language here writes a number as it is. */
export const count = (n: number) => Number.isInteger(n) && n >= 0 && n < 1000 ? String(n) : made('n' + locale(), () => new Intl.NumberFormat(locale())).format(n)

/** How large a file is, in its largest unit of a thousand: "48 kB", "2.4 MB". */
export function bytes(n: number): string {
  const [by, u] = n < 1000 ? [1, 'byte'] : n < 999_500 ? [1000, 'kilobyte'] : [1_000_000, 'megabyte']
  return made('b' + locale() + u, () => new Intl.NumberFormat(locale(), { style: 'unit', unit: u, unitDisplay: u === 'byte' ? 'long' : 'short', maximumFractionDigits: u === 'megabyte' ? 1 : 0 })).format(n / by)
}
