// Asks for what the desk's first screen shows while the app itself is still on
// its way: a script of its own, a page long, and nothing of the app in it. Who
// one is goes first: its answer says where the live stream goes on.
import { type Asked, dayAsked, isList, lists } from './desk/lists'
import { type Before, keyOf } from './lib/before'
import { purposeOf, read, type Session } from './lib/stored'

async function ask(s: Session) {
  const before: Before = { token: s.token, at: Date.now(), answers: new Map(), whole: false }
  globalThis.catchmentBefore = before
  const get = (path: string, query: Record<string, unknown> = {}) => {
    const url = new URL(path, location.origin)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.append(name, String(value))
    const stated = query.include ? { 'Catchment-Purpose': purposeOf(s) } : undefined
    const answer = fetch(url, { headers: { Authorization: 'Bearer ' + s.token, ...stated }, cache: 'no-store', referrerPolicy: 'no-referrer' })
    answer.catch(() => {}) // whoever takes it hears of it
    before.answers.set(keyOf(url), answer)
    return answer
  }
  const day = (l: Asked, names: boolean) => get('/v1/leads', dayAsked(l, names, s))
  const asked = new URLSearchParams(location.search).get('list')
  const all = await Promise.all([get('/v1/me'), day(isList(asked) ? asked : 'first', true), ...lists.map((l) => day(l, false))])
  before.whole = all.every((r) => r.ok)
}

const session = read()
const path = location.pathname.replace(/\/$/, '')
if (session && (path === '/app/desk' || (path === '/app' && session.role === 'salesperson'))) ask(session).catch(() => {}) // the app asks again
