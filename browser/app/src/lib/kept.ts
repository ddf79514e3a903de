// Reading when the server is away: what the desk keeps sealed on this device
// stands in for an answer, and its age is known. Where nothing is kept (the
// console), an answer is awaited as ever.
import { hashKey, type QueryKey } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { faultOf } from './fault'

export interface Kept {
  at: number
  value: unknown
}
/** Waits until what is kept can be read; undefined: nothing is kept on this device, or not this. */
export type Look = (key: QueryKey) => Promise<Kept | undefined>

let look: Look | undefined
export const setLook = (f: Look | undefined) => void (look = f)

// When each answer that stands on the screen was given, of those that were kept.
const ages = new Map<string, number>()
const listeners = new Set<() => void>()
function age(hash: string, at: number | undefined) {
  if (ages.get(hash) === at) return
  if (at === undefined) ages.delete(hash)
  else ages.set(hash, at)
  for (const f of listeners) f()
}

/** Whether the answer under this hash is one that was kept, and not the server's of now. */
export const isKept = (hash: string) => ages.has(hash)

/** The server's answer; while it is away, the last one that this device has. */
export async function through<T>(key: QueryKey, ask: () => Promise<T>): Promise<T> {
  const hash = hashKey(key)
  try {
    const v = await ask()
    age(hash, undefined)
    return v
  } catch (e) {
    if (!look || faultOf(e).code !== 'offline') throw e
    const kept = await look(key)
    if (!kept) throw e
    age(hash, kept.at)
    return kept.value as T
  }
}

/** When the oldest of what the screen shows was the server's answer; undefined when all of it is fresh. */
export const useAge = () =>
  useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => void listeners.delete(f)
    },
    () => (ages.size ? Math.min(...ages.values()) : undefined),
  )
