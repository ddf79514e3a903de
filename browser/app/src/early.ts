// Asks for what the desk's first screen shows while the app itself is still on
// its way: a script of its own, a page long, and nothing of the app in it. Who
// one is goes first: its answer says where the live stream goes on.
import { dayAsked, firstOf, isList, type ListName, lists } from './desk/lists'
import { type Before, keyOf } from './lib/before'
import { purposeOf, read, type Session } from './lib/stored'

async function ask(s: Session) {
  const before: Before = { token: s.token, at: Date.now(), answers: new Map(), whole: false, over: false }
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
  const day = (l: ListName, names: boolean) => get('/v1/leads', dayAsked(l, names, s))
  const me = get('/v1/me')
  const asked = new URLSearchParams(location.search).get('list')
  const named = isList(asked) ? day(asked, true) : undefined
  const counts = await Promise.all(lists.map((l) => day(l, false)))
  if (!counts.every((r) => r.ok) || !(await me).ok) return
  const first = named ?? chosen(firstOf(await sizes(counts)) ?? 'today')
  before.whole = !!(await first)?.ok

  function chosen(l: ListName) {
    return before.over ? undefined : day(l, true)
  }
}

async function sizes(counts: Response[]): Promise<Partial<Record<ListName, number>>> {
  const all = await Promise.all(counts.map((r) => r.clone().json() as Promise<{ items: unknown[] }>))
  return Object.fromEntries(lists.map((l, i) => [l, all[i]!.items.length]))
}

const session = read()
const path = location.pathname.replace(/\/$/, '')
if (session && (path === '/app/desk' || (path === '/app' && session.role === 'salesperson'))) ask(session).catch(() => {}) // the app asks again
