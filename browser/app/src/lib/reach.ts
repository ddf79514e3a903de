// Whether the server answers. The live stream asks again and again, so that
// this turns by itself when it is back.
import { useSyncExternalStore } from 'react'

const listeners = new Set<() => void>()
let away = false

export const reach = {
  away: () => away,
  /** An answer came, whichever it was; or none did. */
  note(answered: boolean) {
    if (away === !answered) return
    away = !answered
    for (const f of listeners) f()
  },
  subscribe(f: () => void) {
    listeners.add(f)
    return () => void listeners.delete(f)
  },
}

export const useAway = () => useSyncExternalStore(reach.subscribe, reach.away)
