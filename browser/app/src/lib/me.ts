import { useQuery } from '@tanstack/react-query'
import { api, door, ok, type Schemas } from './api'
import { queries } from './query'
import { session } from './session'

export type Me = Schemas['Me']

export const useMe = () => useQuery({ queryKey: ['me'], queryFn: () => ok(api.GET('/v1/me')) })

/** A session has begun, or grown. Somebody else's data does not stay behind. */
export function enter(s: Schemas['NewSession']) {
  const before = session.get()
  if (before && before.user_id !== s.user_id) queries.clear()
  session.set({ ...s, needs: s.needs ?? [] })
}

export function renew(r: { token: string; expires_at: string; level: number }) {
  session.renew({ ...r, needs: r.level >= 2 ? [] : session.get()?.needs })
}

export async function signOut() {
  const token = session.get()?.token
  session.end()
  queries.clear()
  // The device forgets at once; the server is told if it can be reached.
  if (token) await door.DELETE('/v1/sessions/current', { headers: { Authorization: 'Bearer ' + token } }).catch(() => {})
}
