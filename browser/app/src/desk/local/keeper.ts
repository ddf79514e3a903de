// Keeps what the desk has seen, sealed on this device, for as long as the
// server lets it: opens the database after sign-in, stands in for answers while
// the server is away, and lets go when the time is over or the device revoked.
import { hashKey, type Query, type QueryKey } from '@tanstack/react-query'
import { door, ok, type Schemas } from '../../lib/api'
import { serverNow } from '../../lib/clock'
import { hear } from '../../lib/events'
import { type Fault, faultOf } from '../../lib/fault'
import { isKept, type Kept } from '../../lib/kept'
import { beforeLeaving, leave, revoked } from '../../lib/leave'
import { makeAgain, onMade, showPasskey, takeMade } from '../../lib/passkey'
import { queries } from '../../lib/query'
import { reach } from '../../lib/reach'
import { session } from '../../lib/session'
import { wipe } from '../../lib/wipe'
import { type Database, openDatabase } from './database'
import { type Device, databaseKey, device, isOver, newSecret, noteUnsent, remember, unsentOf, unwrap, wrap } from './keys'
import { closeOutbox, dropOf, flush, onSent, openOutbox } from './outbox'
import { local, type State } from './state'

/** Nothing that was kept is older than this: who lost a lead, or whose person was erased meanwhile, has it no longer. */
const forgetAfter = 7 * 86_400_000
const hour = 3_600_000

let db: Database | undefined
let mine: Device | undefined
let started = false
let beginning: Promise<void> | undefined
let unsubscribe: (() => void) | undefined

const become = (state: State) => local.set({ state })

/** Begins, once; further calls do nothing. */
export function start() {
  if (started) return
  started = true
  reach.subscribe(() => void (reach.away() || back()))
  setInterval(look, 20_000)
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && look())
  beforeLeaving(() => {
    shut()
    mine = undefined
    become({ is: 'starting' })
  })
  let user = session.get()?.user_id
  session.subscribe(() => {
    const now = session.get()?.user_id
    if (now === user) return
    user = now
    if (mine && mine.user !== now) {
      // Another tab signed out, or somebody else in.
      if (!now) return void leave()
      shut()
      mine = undefined
      queries.clear()
      become({ is: 'starting' })
    }
    if (now) void (beginning ?? Promise.resolve()).then(begin)
  })
  local.subscribe(count)
  hear((e) => {
    if (e.kind === 'device.revoked' && mine && e.data?.device_id === mine.id) revoked()
    if (e.kind === 'lead.transferred' && e.lead_id && e.data?.from === session.get()?.user_id) void forget(e.lead_id)
    if (e.kind === 'person.erased' && e.lead_id) void erased(e.lead_id)
  })
  onMade(() => void (db && !mine?.wrapped && wrapNow().catch(() => {})))
  onSent((e) => {
    void queries.invalidateQueries({ queryKey: ['lead', e.lead] })
    void queries.invalidateQueries({ queryKey: ['day'] })
  })
  void begin()
}

function back() {
  if (!started || !session.get()) return
  if (db) void renew()
  else void begin()
  void flush()
}

let counted: number | undefined
function count() {
  const n = local.get().entries.length
  if (!db || n === counted) return
  counted = n
  void noteUnsent(n).catch(() => {})
}

/** How many entries signing out would delete unsent, also while they are shut, or another tab has them. */
export async function unsent(): Promise<number> {
  return db ? local.get().entries.length : unsentOf(session.get()?.user_id)
}

/** Asks for the server once more. False: it is still away. */
export async function again(): Promise<boolean> {
  await begin()
  return local.get().state.is === 'open'
}

/** How long the app may work alone, ms. */
export const lease = () => mine?.span ?? 0

/** The server's share. Without the dialogs that other requests open: this one nobody asked for. */
const release = (id?: string): Promise<Schemas['DeviceKey']> =>
  ok(door.POST('/v1/me/device', { headers: { Authorization: 'Bearer ' + session.get()?.token }, body: id ? { device_id: id } : {} }))

function begin(): Promise<void> {
  beginning ??= opening()
    .catch(() => become({ is: 'none', why: 'cannot' }))
    .finally(() => (beginning = undefined))
  return beginning
}

async function opening() {
  const s = session.get()
  if (!s || db) return
  if (!navigator.storage?.getDirectory || !navigator.locks || !crypto.subtle) return become({ is: 'none', why: 'cannot' })
  const left = () => session.get()?.user_id !== s.user_id // signed out while this was under way
  let known = await device()
  if (known && known.user !== s.user_id) {
    await wipe()
    known = undefined
  }
  let r: Schemas['DeviceKey']
  try {
    r = await release(known?.id).catch(async (e) => {
      if (!known || faultOf(e).status !== 404) throw e
      await wipe() // revoked so long ago that the server has forgotten it: nothing opens what it has
      known = undefined
      return release()
    })
  } catch (e) {
    return left() ? undefined : without(faultOf(e), known)
  }
  if (left()) return
  if (r.offline_ms === 0) {
    await wipe()
    return become({ is: 'none', why: 'off' })
  }
  if (known && r.new) await wipe() // what it has was another device's
  const d = lasting(known && !r.new ? known : { user: s.user_id, id: r.device_id, secret: await newSecret() }, r)
  if (left()) return
  mine = d
  await remember(mine)
  await open(await databaseKey(d, r.share))
}

const lasting = (d: Omit<Device, 'span' | 'until' | 'seen'>, r: Schemas['DeviceKey']): Device => ({ ...d, span: r.offline_ms, until: Date.parse(r.lease_until), seen: Date.parse(r.server_time) })

/** No share was to be had. */
function without(f: Fault, known?: Device) {
  if (f.code === 'device_revoked') return revoked()
  if (f.status === 403) return become({ is: 'none', why: 'factor' })
  if (f.status !== 0 || !known) return become({ is: 'none', why: 'away' })
  mine = known
  if (isOver(known, serverNow())) return become({ is: 'over', since: known.seen })
  become({ is: 'locked', passkey: !!known.wrapped })
}

async function open(key: Uint8Array<ArrayBuffer>) {
  const user = mine?.user
  const made = takeMade()
  if (made && mine) await remember((mine = await wrap(mine, key, made)))
  let d = await openDatabase(key.slice())
  if (d === 'refused' && !reach.away() && mine) {
    // A file of an earlier secret: nobody can read it any more.
    const keep = mine
    await wipe()
    await remember(keep)
    d = await openDatabase(key.slice())
  }
  key.fill(0)
  if (typeof d === 'string') return become({ is: 'none', why: d === 'elsewhere' ? 'elsewhere' : 'cannot' })
  if (!mine || mine.user !== user) {
    d.close() // left meanwhile
    return void (await wipe())
  }
  db = d
  await d.run(['DELETE FROM kept WHERE at < ?', [Date.now() - forgetAfter]])
  await openOutbox(d)
  follow()
  local.set({ state: { is: 'open' }, unlocks: !!mine?.wrapped })
  if (reach.away()) void queries.invalidateQueries()
}

/** Opens what is kept by the passkey, without the server. False: it is not this one. */
export async function unlock(): Promise<boolean> {
  const d = mine
  if (!d?.wrapped) return false
  const made = await makeAgain(d.wrapped)
  const key = made && (await unwrap(d, made))
  if (!key) return false
  if (isOver(d, serverNow())) become({ is: 'over', since: d.seen })
  else await open(key)
  return true
}

/** Lets the passkey open what is kept while the server is away. False: it makes no keys. */
export async function useUnlock(): Promise<boolean> {
  const ceremony = await ok(door.POST('/v1/sessions/passkeys')) // for its options; the flow is not used
  await showPasskey(ceremony.options as Record<string, unknown>)
  return wrapping ?? false
}

let wrapping: Promise<boolean> | undefined
/** Wraps the key under what the passkey has just made; the key itself is made anew, as nobody has it any more. */
function wrapNow(): Promise<boolean> {
  wrapping = (async () => {
    const made = takeMade()
    const before = mine
    if (!made || !before) return false
    const r = await release(before.id)
    const after = await wrap(lasting(before, r), await databaseKey(before, r.share), made)
    if (mine?.user !== before.user) return false // left meanwhile
    mine = after
    await remember(mine)
    local.set({ unlocks: true })
    return true
  })().finally(() => (wrapping = undefined))
  return wrapping
}

async function renew() {
  const before = mine
  if (!before || !session.get()) return
  try {
    const r = await release(before.id)
    if (mine !== before) return // left meanwhile, or renewed
    mine = lasting(before, r)
    await remember(mine)
  } catch (e) {
    if (faultOf(e).code === 'device_revoked') revoked()
  }
}

/** Now and then, and when somebody comes back: is the time over, or a good part of it? */
function look() {
  const { state } = local.get()
  if (state.is === 'none' && (state.why === 'elsewhere' || state.why === 'away') && !reach.away()) return void begin()
  if (!mine || !db) return
  const now = serverNow()
  if (isOver(mine, now) && reach.away()) {
    shut()
    queries.clear()
    become({ is: 'over', since: mine.seen })
  } else if (!reach.away() && now - mine.seen > Math.min(mine.span / 4, 3 * hour)) void renew()
}

function shut() {
  unsubscribe?.()
  unsubscribe = undefined
  const d = db
  db = counted = undefined // what is shut still counts as unsent
  closeOutbox()
  d?.close()
}

// What the desk reads: oneself, the lists of the day, leads and their stories.
const keeps = (key: QueryKey) => key[0] === 'me' ? key.length === 1 : key[0] === 'day' || key[0] === 'lead'
const leadOf = (key: QueryKey) => (key[0] === 'lead' && typeof key[1] === 'string' ? key[1] : '')

function keep(q: Pick<Query, 'queryKey' | 'queryHash' | 'state'>) {
  if (!keeps(q.queryKey) || isKept(q.queryHash) || q.state.data === undefined) return
  db?.run(['INSERT INTO kept (key, lead, at, value) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET at = excluded.at, value = excluded.value', [q.queryHash, leadOf(q.queryKey), q.state.dataUpdatedAt, JSON.stringify(q.state.data)]]).catch(() => {})
}

/** What screens have, and what they get from now on. */
function follow() {
  const cache = queries.getQueryCache()
  for (const q of cache.getAll()) keep(q)
  unsubscribe = cache.subscribe((e) => {
    if (e.type !== 'updated') return
    if (e.action.type === 'success') {
      keep(e.query)
      if (e.query.queryKey.length === 2 && (e.query.state.data as Partial<Schemas['Lead']> | undefined)?.person?.erased) void erased(leadOf(e.query.queryKey))
    }
    // Not, or no longer, theirs to see.
    if (e.action.type === 'error' && faultOf(e.action.error).status === 404) void forget(leadOf(e.query.queryKey))
  })
}

/** Deletes what is kept of a lead, in the lists of the day, too. */
export async function forget(lead: string) {
  if (!lead) return
  for (const { queryKey, state } of queries.getQueryCache().findAll({ queryKey: ['day'] })) {
    const less = lessOf(state.data, lead)
    if (less) queries.setQueryData(queryKey, less, { updatedAt: state.dataUpdatedAt })
  }
  const d = db
  const found = await d?.run(['DELETE FROM kept WHERE lead = ?', [lead]], ["SELECT key, at, value FROM kept WHERE key LIKE '[\"day\"%'"])
  for (const [key, at, value] of found?.[1] ?? []) {
    const less = lessOf(JSON.parse(value as string), lead)
    if (less) await d?.run(['UPDATE kept SET value = ? WHERE key = ? AND at = ?', [JSON.stringify(less), key!, at!]]) // a newer answer is another
  }
}

/** The list without the lead; undefined when it is not in it. */
function lessOf(list: unknown, lead: string) {
  const items = (list as { items?: Schemas['Lead'][] } | undefined)?.items
  return items?.some((l) => l.id === lead) ? { ...(list as object), items: items.filter((l) => l.id !== lead) } : undefined
}

/** The person of the lead was erased: what waits to be sent names them, and is about nobody any more. */
const erased = (lead: string) => Promise.all([forget(lead), dropOf(lead)])

const decided = () =>
  new Promise<void>((go) => {
    const settled = () => {
      const { is } = local.get().state
      if (is === 'starting' || is === 'locked') return false
      go()
      return true
    }
    if (settled()) return
    const off = local.subscribe(() => settled() && off())
  })

/** The last answer that this device has; waits while it is shut. */
export async function kept(key: QueryKey): Promise<Kept | undefined> {
  start()
  await decided()
  const rows = await db?.run(['SELECT at, value FROM kept WHERE key = ?', [hashKey(key)]]).catch(() => undefined)
  const row = rows?.[0]?.[0]
  if (row) return { at: row[0] as number, value: JSON.parse(row[1] as string) }
  return key[0] === 'day' && key[1] === 'all' ? everyLead() : undefined
}

/** Search looks through what was seen, if the whole list was not. */
async function everyLead(): Promise<Kept | undefined> {
  const rows = await db?.run(["SELECT key, at, value FROM kept WHERE key LIKE '[\"day\"%' OR key LIKE '[\"lead\"%'"]).catch(() => undefined)
  const found = new Map<string, Schemas['Lead']>()
  let at = Date.now()
  for (const [key, when, value] of rows?.[0] ?? []) {
    const path = JSON.parse(key as string) as unknown[]
    const v = JSON.parse(value as string) as Schemas['Lead'] & { items?: Schemas['Lead'][] }
    const all = path[0] === 'day' ? (v.items ?? []) : path.length === 2 ? [v] : []
    for (const l of all) if (l.person) found.set(l.id, l)
    if (all.length) at = Math.min(at, when as number)
  }
  return found.size ? { at, value: { items: [...found.values()] } } : undefined
}
