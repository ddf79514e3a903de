// Who is signed in on this device. The token is an opaque word, good for this
// server alone and ended by it; docs/decisions/0008-app.md says why it is kept
// here. Nothing else about a session is stored, and nothing of a lead.
import { useSyncExternalStore } from 'react'
import { place, purposeOf, read, type Session } from './stored'

export type { Role, Session } from './stored'

const listeners = new Set<() => void>()
let current = read()

function tell() {
  for (const f of listeners) f()
}

// Another tab signed in, out, or got a new token.
addEventListener('storage', (e) => {
  if (e.key !== place && e.key !== null) return
  current = read()
  tell()
})

export const session = {
  get: () => current,
  set(s: Session) {
    current = s
    try {
      localStorage.setItem(place, JSON.stringify(s))
    } catch {
      // no room or no right to it: good until the page is closed
    }
    tell()
  },
  renew(part: Partial<Session>) {
    if (current) session.set({ ...current, ...part })
  },
  end() {
    current = null
    try {
      localStorage.removeItem(place)
    } catch {
      // nothing was kept
    }
    tell()
  },
  subscribe(f: () => void) {
    listeners.add(f)
    return () => void listeners.delete(f)
  },
}

export const useSession = () => useSyncExternalStore(session.subscribe, session.get)

/** The purpose that is stated when personal data is opened, see docs/api.md. */
export const purpose = () => purposeOf(current)
