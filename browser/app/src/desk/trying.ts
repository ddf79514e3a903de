// The attempt that is under way: begun when the link is followed out of the
// app, and still here after coming back, also when the page was thrown away
// meanwhile. Ids and a time, nothing of the person.
import { useSyncExternalStore } from 'react'
import { serverNow } from '../lib/clock'
import { session } from '../lib/session'
import { beginAttempt, type Channel, endAttempt } from './data'

export interface Trying {
  lead: string
  user: string
  channel: Channel
  at: string
  /** Absent while the server has not heard of it. */
  id?: string
  /** One is back from the call, and asked how it went. */
  back?: boolean
}

const place = 'catchment.trying'
const listeners = new Set<() => void>()
let now: Trying | null = read()

function read(): Trying | null {
  try {
    const kept = JSON.parse(localStorage.getItem(place) ?? 'null') as Trying | null
    // A day later nobody remembers how it went.
    return kept && kept.user === session.get()?.user_id && Date.now() - Date.parse(kept.at) < 86_400_000 ? { ...kept, back: true } : null
  } catch {
    return null
  }
}

function become(t: Trying | null) {
  now = t
  if (t) localStorage.setItem(place, JSON.stringify(t))
  else localStorage.removeItem(place)
  for (const f of listeners) f()
}

/** Begins an attempt; the link that it belongs to is followed at the same moment. */
export function begin(lead: string, channel: Channel) {
  const mine: Trying = { lead, channel, at: new Date(serverNow()).toISOString(), user: session.get()?.user_id ?? '' }
  become(mine)
  beginAttempt(lead, channel).then(
    (a) => now?.at === mine.at && become({ ...now, id: a.id, at: a.started_at }),
    () => {}, // no signal: the result tells the whole attempt, with the time that it began at
  )
}

/** Back from the call: it is over, and how did it go? */
export function back() {
  if (!now || now.back) return
  if (now.id && (now.channel === 'call' || now.channel === 'in-person')) void endAttempt(now.id)
  become({ ...now, back: true })
}

export const finish = () => become(null)

// Another app was in front: most come back by the same way that they left.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && now && Date.now() - Date.parse(now.at) > 2000) back()
})

export const useTrying = () =>
  useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => void listeners.delete(f)
    },
    () => now,
  )
