import { queryOptions, useQuery } from '@tanstack/react-query'
import { useCallback, useSyncExternalStore } from 'react'
import { api, door, ok, type Schemas } from './api'
import { through } from './kept'
import { leave } from './leave'
import { queries } from './query'
import { session } from './session'

export type Me = Schemas['Me']

/** What a right reaches: one's own leads, one's teams', or everything; undefined where it is not held. */
export type Reach = 'mine' | 'teams' | 'all'
export type Permission =
  | 'leads:read' | 'persons:open' | 'leads:work' | 'leads:move' | 'leads:export' | 'leads:import' | 'reports:read' | 'routing:manage' | 'offers:answer' | 'events:follow'
  | 'capture' | 'setup:read' | 'setup:manage' | 'spend:enter' | 'people:manage' | 'keys:manage' | 'content:draft' | 'privacy:manage' | 'account:leave' | 'grants:manage' | 'record:read' | 'platform:run' | 'platform:record' | 'platform:grants'

export const meQuery = queryOptions({ queryKey: ['me'], queryFn: ({ queryKey }) => through(queryKey, () => ok(api.GET('/v1/me'))) })
export const useMe = () => useQuery(meQuery)

/** Asks whether the visitor may do something; until that is known, not. */
export function useMay() {
  const rights = useMe().data?.rights as Partial<Record<Permission, Reach>> | undefined
  return useCallback((p: Permission) => rights?.[p], [rights])
}

/** A session has begun, or grown. Somebody else's data does not stay behind. */
export function enter(s: Schemas['NewSession']) {
  const before = session.get()
  if (before && before.user_id !== s.user_id) queries.clear()
  session.set({ ...s, needs: s.needs ?? [], offers: s.offers ?? [] })
}

export function renew(r: { token: string; expires_at: string; level: number }) {
  session.renew({ ...r, needs: r.level >= 2 ? [] : session.get()?.needs })
}

// How much would be lost; the desk knows it.
let unsent = () => Promise.resolve(0)
export const setUnsent = (f: () => Promise<number>) => void (unsent = f)
let asking: { n: number; go(yes: boolean): void } | null = null
const listeners = new Set<() => void>()
const tell = () => {
  for (const f of listeners) f()
}

/** Signs out here. What was not sent yet would be deleted with the rest: then the person is asked first. */
export async function signOut() {
  const n = await unsent().catch(() => 0)
  if (n > 0 && !(await new Promise<boolean>((go) => { asking = { n, go }; tell() }))) return
  const token = session.get()?.token
  // The device forgets at once; the server is told if it can be reached.
  const left = leave()
  if (token) await door.DELETE('/v1/sessions/current', { headers: { Authorization: 'Bearer ' + token } }).catch(() => {})
  await left
}

export const answerLeaving = (go: boolean) => {
  asking?.go(go)
  asking = null
  tell()
}

/** How many unsent entries somebody is asked about before signing out; 0: nobody is asked. */
export const useLeavingAsked = () =>
  useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => void listeners.delete(f)
    },
    () => asking?.n ?? 0,
  )
