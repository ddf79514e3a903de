import type { PointerEvent } from 'react'
import { useNow } from '../lib/clock'
import { ago, full, span, stopwatch, when } from '../lib/format'
import { cx } from './cx'

type At = string | number

/** The whole date is for who points at it, and made then: a list of a hundred times is drawn without. */
const title = (at: At) => ({
  dateTime: new Date(at).toISOString(),
  onPointerEnter: (e: PointerEvent<HTMLElement>) => void (e.currentTarget.title = full(at)),
})

/** How long ago, as a figure ("4 min") or, in a sentence, as a phrase ("4 min. ago"). */
export function Ago({ at, phrase, className }: { at: At; phrase?: boolean; className?: string }) {
  const since = Date.parse(new Date(at).toISOString())
  const now = useNow(1000)
  return <time {...title(at)} className={cx('figures', className)}>{(phrase ? ago : span)(now - since)}</time>
}

/** The moment, in the reader's zone: "14:05", "tomorrow 10:00". */
export function When({ at, className }: { at: At; className?: string }) {
  const now = useNow(60_000)
  return <time {...title(at)} className={cx('figures', className)}>{when(at, now)}</time>
}

/** Runs up from a moment: "1:07". */
export function Running({ since, className }: { since: At; className?: string }) {
  const now = useNow(1000)
  return <span role="timer" className={cx('figures', className)}>{stopwatch(now - Date.parse(new Date(since).toISOString()))}</span>
}

/** Runs down to a moment; warm when less than a third of a short time is left. */
export function Countdown({ to, from, className }: { to: string; from: string; className?: string }) {
  const now = useNow(250)
  const left = Date.parse(to) - now
  const whole = Date.parse(to) - Date.parse(from)
  return <span role="timer" className={cx('figures', left < whole / 3 && 'text-warm', className)}>{stopwatch(left)}</span>
}
