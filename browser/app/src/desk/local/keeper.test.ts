// What the keeper keeps and lets go of, over a real SQLite; the device's key,
// the browser's places and the server's answers are in the test's hands.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
// @ts-expect-error the package has no types for this door of it
import start from '../../../node_modules/@evolu/sqlite-wasm/node.mjs'
import type { Happened } from '../../lib/events'
import type { Entry } from './state'
import type { Statement } from './wire'

const box = vi.hoisted(() => ({ device: undefined as unknown, unsent: 0, hear: (_: unknown) => {}, wiped: 0, run: (..._: unknown[]): unknown => undefined }))
vi.mock('./keys', async (real) => ({
  ...(await real<object>()),
  device: async () => box.device,
  remember: async (d: unknown) => void (box.device = d),
  newSecret: async () => ({}),
  databaseKey: async () => new Uint8Array(32),
  noteUnsent: async (n: number) => void (box.unsent = n),
  unsentOf: async () => box.unsent,
}))
vi.mock('./database', async (real) => ({ ...(await real<object>()), openDatabase: async () => ({ run: box.run, close() {} }) }))
vi.mock('../../lib/events', () => ({ hear: (f: (e: unknown) => void) => void (box.hear = f) }))
vi.mock('../../lib/wipe', async (real) => ({ ...(await real<object>()), wipe: async () => (box.wiped++, (box.device = undefined), true) }))

let disk: { exec(o: object): unknown[][]; close(): void }
let tab: (e: { key: string | null }) => void
let share: () => Promise<Response>
const stored = new Map<string, string>()

beforeEach(async () => {
  vi.resetModules()
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'Date'] })
  Object.assign(box, { device: undefined, unsent: 0, wiped: 0 })
  stored.clear()
  stored.set('catchment.session', JSON.stringify({ token: 't', user_id: 'user_1', expires_at: new Date(Date.now() + 3_600_000).toISOString() }))
  vi.stubGlobal('location', { origin: 'https://app.example', hostname: 'app.example' })
  vi.stubGlobal('localStorage', { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => stored.set(k, v), removeItem: (k: string) => stored.delete(k) })
  vi.stubGlobal('addEventListener', (kind: string, f: typeof tab) => kind === 'storage' && (tab = f))
  vi.stubGlobal('document', { addEventListener() {}, visibilityState: 'visible' })
  vi.stubGlobal('navigator', { onLine: false, languages: ['en'], storage: { getDirectory() {} }, locks: {} })
  const now = new Date()
  share = async () => Response.json({ device_id: 'dev_1', share: '', new: true, offline_ms: 43_200_000, lease_until: new Date(now.getTime() + 43_200_000).toISOString(), server_time: now.toISOString() })
  vi.stubGlobal('fetch', async (r: Request) => {
    if (r.url.endsWith('/v1/me/device')) return share()
    throw new TypeError('no answer')
  })
  const sqlite = await start({ print() {}, printErr() {} })
  disk = new sqlite.oo1.DB(':memory:')
  box.run = async (...all: unknown[]) => (all as Statement[]).map(([sql, bind]) => disk.exec({ sql, ...(bind?.length ? { bind } : {}), rowMode: 'array', returnValue: 'resultRows' }))
  await box.run(...(await import('./database')).schema)
})
afterEach(() => {
  disk.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const lead = (id: string, name: string, more = {}) => ({ id, stage: { category: 'new' }, person: { name, ...more } })
const note = (id: string, of: string, who: string): Entry => ({ id, at: '2026-03-02T10:00:00Z', kind: 'note', lead: of, who, path: `/v1/leads/${of}/notes`, body: { text: `${who} called back.` } })
const written = () => JSON.stringify([disk.exec({ sql: 'SELECT * FROM kept', rowMode: 'array', returnValue: 'resultRows' }), disk.exec({ sql: 'SELECT * FROM outbox', rowMode: 'array', returnValue: 'resultRows' })])

/** A desk with two leads in lists, of their own, and with something that waits. */
async function desk() {
  const { local } = await import('./state')
  const { queries } = await import('../../lib/query')
  const keeper = await import('./keeper')
  // One list is in memory, the other is of an earlier run.
  const list = { items: [lead('lead_1', 'Asha Example'), lead('lead_2', 'Benedict Example')] }
  await box.run(['INSERT INTO kept VALUES (?, ?, ?, ?)', ['["day","today",true]', '', Date.now(), JSON.stringify(list)]])
  keeper.start()
  await vi.waitUntil(() => local.get().state.is === 'open')
  queries.setQueryData(['day', 'new', true], list)
  for (const l of list.items) {
    queries.setQueryData(['lead', l.id], l)
    queries.setQueryData(['lead', l.id, 'story'], { notes: [{ text: `${l.person.name} likes the garden.` }] })
  }
  const outbox = await import('./outbox')
  await outbox.tell(note('a', 'lead_1', 'Asha Example'))
  await outbox.tell(note('b', 'lead_2', 'Benedict Example'))
  expect(local.get().entries).toHaveLength(2)
  for (const name of ['Asha', 'Benedict']) expect(written().split(name).length).toBeGreaterThan(5)
  return { local, queries, keeper, session: (await import('../../lib/session')).session }
}
const happens = (e: Partial<Happened>) => box.hear({ at: '', ...e })

test('of a person who was erased nothing stays: lists, story, and what waits', async () => {
  const { local, queries } = await desk()
  happens({ kind: 'person.erased', lead_id: 'lead_1' })
  await vi.waitUntil(() => !written().includes('Asha'))
  expect(written()).toContain('Benedict')
  expect(local.get().entries.map((e) => e.id)).toEqual(['b'])
  expect(JSON.stringify(queries.getQueryData(['day', 'new', true]))).not.toContain('Asha')
})

test('an answer that says it does the same', async () => {
  const { queries } = await desk()
  queries.setQueryData(['lead', 'lead_1'], { ...lead('lead_1', ''), person: { erased: true } })
  await vi.waitUntil(() => !written().includes('Asha'))
  expect(written()).toContain('Benedict')
})

test('of a lead that went to somebody else the copy goes, and what waits stays', async () => {
  const { local } = await desk()
  happens({ kind: 'lead.transferred', lead_id: 'lead_1', data: { from: 'user_2' } })
  happens({ kind: 'lead.transferred', lead_id: 'lead_1', data: { from: 'user_1' } })
  await vi.waitUntil(() => !JSON.stringify(disk.exec({ sql: 'SELECT value FROM kept', rowMode: 'array', returnValue: 'resultRows' })).includes('Asha'))
  expect(local.get().entries.map((e) => e.id)).toEqual(['a', 'b'])
})

test('the time is over: it is shut and says so, and what waits still counts', async () => {
  const { local, keeper, queries } = await desk()
  expect(await keeper.unsent()).toBe(2)
  vi.setSystemTime(Date.now() + 13 * 3_600_000)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(local.get()).toMatchObject({ state: { is: 'over' }, entries: [] })
  expect(queries.getQueryData(['lead', 'lead_1'])).toBeUndefined()
  expect(await keeper.unsent()).toBe(2)
  expect(written()).toContain('Asha')
})

test('signed out in another tab: this one lets go, too', async () => {
  const { local, queries, session } = await desk()
  stored.delete('catchment.session')
  tab({ key: 'catchment.session' })
  expect(session.get()).toBeNull()
  expect(local.get()).toMatchObject({ state: { is: 'starting' }, entries: [] })
  expect(queries.getQueryData(['lead', 'lead_1'])).toBeUndefined()
  expect(box.wiped).toBe(1)
})

test('a share that comes after signing out opens nothing', async () => {
  const { local } = await import('./state')
  const keeper = await import('./keeper')
  let give = () => {}
  const soon = share
  const asked = new Promise<void>((go) => {
    share = async () => {
      go()
      await new Promise<void>((now) => (give = now))
      return soon()
    }
  })
  keeper.start()
  await asked
  await (await import('../../lib/leave')).leave()
  give()
  await keeper.again()
  expect(local.get().state.is).toBe('starting')
  expect(box.device).toBeUndefined()
})
