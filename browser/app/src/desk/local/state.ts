// How the desk's keeping on this device stands, for screens; small, because the
// first screen has it.
import { useSyncExternalStore } from 'react'

export type State =
  | { is: 'starting' }
  | { is: 'open' }
  /** The server is away, and what is kept is shut: a passkey opens it, where one was set up. */
  | { is: 'locked'; passkey: boolean }
  /** The time without the server is over. */
  | { is: 'over'; since: number }
  /** Nothing is kept: the app works with the server alone. */
  | { is: 'none'; why: 'cannot' | 'elsewhere' | 'off' | 'factor' | 'away' }

export interface Refusal {
  status: number
  code: string
  title: string
  detail?: string
}

export type Kind = 'attempt' | 'result' | 'note' | 'next' | 'stage' | 'visit' | 'visited'

/** Something that was done and that the server has not heard of yet. */
export interface Entry {
  /** The Idempotency-Key: however often it is sent, it happens once. */
  id: string
  /** By this device's clock. */
  at: string
  kind: Kind
  lead: string
  /** Whom it is about, for the list. */
  who: string
  path: string
  body: Record<string, unknown>
  refused?: Refusal
  /** Of a result: how the attempt is told whole, should the server have given it up. */
  instead?: { path: string; begun: Record<string, unknown> }
}

interface Whole {
  state: State
  /** In the order in which they are sent. */
  entries: readonly Entry[]
  /** Whether a passkey opens what is kept while the server is away. */
  unlocks: boolean
}
let whole: Whole = { state: { is: 'starting' }, entries: [], unlocks: false }
const listeners = new Set<() => void>()

export const local = {
  get: () => whole,
  set(part: Partial<Whole>) {
    whole = { ...whole, ...part }
    for (const f of listeners) f()
  },
  subscribe(f: () => void) {
    listeners.add(f)
    return () => void listeners.delete(f)
  },
}

export const useLocal = () => useSyncExternalStore(local.subscribe, local.get)
