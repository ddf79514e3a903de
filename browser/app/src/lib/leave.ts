// Leaving this device: nothing of the work stays on it.
import { useSyncExternalStore } from 'react'
import { setLook } from './kept'
import { queries } from './query'
import { session } from './session'
import { wipe } from './wipe'

/** Why somebody was put out, for the screen that they come to. */
export type Farewell = 'revoked'
let farewell: Farewell | null = null
const closers = new Set<() => void>()
const listeners = new Set<() => void>()
const tell = () => {
  for (const f of listeners) f()
}

/** What has to end before what is kept can be deleted. */
export const beforeLeaving = (f: () => void) => {
  closers.add(f)
  return () => void closers.delete(f)
}

/** Ends the session here and deletes what this device keeps; how it looks and which language stays. */
export async function leave(why: Farewell | null = null): Promise<boolean> {
  farewell = why
  for (const f of closers) f()
  setLook(undefined)
  session.end()
  queries.clear()
  globalThis.catchmentBefore = undefined
  for (const key of ['catchment.trying']) localStorage.removeItem(key)
  tell()
  return wipe()
}

/** The server says that this device is to keep nothing any more. */
export const revoked = () => void leave('revoked')

export const useFarewell = () =>
  useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => void listeners.delete(f)
    },
    () => farewell,
  )
