// Sensible times for a follow-up: few, in working hours, never past.

export interface Suggestion {
  id: 'quarter' | 'hour' | 'afternoon' | 'evening' | 'tomorrow' | 'threeDays' | 'week'
  at: Date
}

const minutes = (now: Date, n: number) => {
  const at = new Date(now.getTime() + n * 60_000)
  at.setSeconds(0, 0)
  at.setMinutes(Math.ceil(at.getMinutes() / 5) * 5)
  return at
}

const on = (now: Date, days: number, hour: number) => {
  const at = new Date(now)
  at.setDate(at.getDate() + days)
  at.setHours(hour, 0, 0, 0)
  return at
}

/** Soon is for who did not answer: it begins with a quarter of an hour. */
export function suggestions(now: Date, soon: boolean): Suggestion[] {
  const today: Suggestion[] = [
    { id: 'quarter', at: minutes(now, 15) },
    { id: 'hour', at: minutes(now, 60) },
    { id: 'afternoon', at: on(now, 0, 15) },
    { id: 'evening', at: on(now, 0, 18) },
  ]
  const later: Suggestion[] = [
    { id: 'tomorrow', at: on(now, 1, 10) },
    { id: 'threeDays', at: on(now, 3, 10) },
    { id: 'week', at: on(now, 7, 10) },
  ]
  const ahead = (s: Suggestion, by: number) => s.at.getTime() - now.getTime() > by * 60_000
  const first = today.filter((s) => (s.id === 'quarter' ? soon : s.id === 'hour' || ahead(s, 90))).slice(0, soon ? 3 : 2)
  return [...first, ...later]
}

/** For a field of the kind datetime-local, in the reader's zone. */
export function localInput(at: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`
}
