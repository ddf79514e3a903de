// The outbox over a real SQLite, and the app's own way to the server; what
// answers there is in the test's hands.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
// @ts-expect-error the package has no types for this door of it
import start from '../../../node_modules/@evolu/sqlite-wasm/node.mjs'
import type { Database } from './database'
import type { Entry } from './state'
import type { Rows } from './wire'

interface Asked {
  path: string
  key: string
  body: Record<string, unknown>
}
type Reply = (a: Asked) => Response | Promise<Response>

let asked: Asked[]
let reply: Reply
let disk: { exec(o: object): Rows; close(): void }
let db: Database
let box: typeof import('./outbox')
let local: typeof import('./state').local

const taken: Reply = (a) => Response.json({ id: a.key })
const problem = (status: number, code: string, headers = {}) => Response.json({ status, code, title: code, detail: `It is ${code}.` }, { status, headers })
const lost: Reply = () => Promise.reject(new TypeError('no answer'))

beforeEach(async () => {
  vi.resetModules()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const stored = new Map<string, string>()
  vi.stubGlobal('location', { origin: 'https://app.example', hostname: 'app.example' })
  vi.stubGlobal('localStorage', { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => stored.set(k, v), removeItem: (k: string) => stored.delete(k) })
  vi.stubGlobal('navigator', { onLine: false, languages: ['en'] })
  vi.stubGlobal('addEventListener', () => {})
  asked = []
  reply = taken
  vi.stubGlobal('fetch', async (r: Request) => {
    const a = { path: new URL(r.url).pathname, key: r.headers.get('Idempotency-Key')!, body: (await r.json()) as Record<string, unknown> }
    asked.push(a)
    return reply(a)
  })
  const sqlite = await start({ print() {}, printErr() {} })
  disk = new sqlite.oo1.DB(':memory:')
  db = { run: async (...all) => all.map(([sql, bind]) => disk.exec({ sql, ...(bind?.length ? { bind } : {}), rowMode: 'array', returnValue: 'resultRows' })), close() {} }
  await db.run(...(await import('./database')).schema)
  box = await import('./outbox')
  local = (await import('./state')).local
  await box.openOutbox(db)
})
afterEach(() => {
  disk.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const entry = (id: string, more: Partial<Entry> = {}): Entry => ({ id, at: '2026-03-02T10:00:00Z', kind: 'note', lead: 'lead_1', who: 'Asha Example', path: '/v1/leads/lead_1/notes', body: { text: id }, ...more })
const waiting = () => local.get().entries.map((e) => e.id)
const onDisk = async () => (await db.run(['SELECT entry FROM outbox ORDER BY seq']))[0]!.map(([e]) => JSON.parse(e as string) as Entry)
const keys = () => asked.map((a) => a.key)
/** Everything that was written down while the server was away. */
async function offline(...all: Entry[]) {
  reply = lost
  for (const e of all) expect(await box.tell(e)).toBeUndefined()
  asked = []
}

test('what is told at once is answered, and leaves', async () => {
  expect(await box.tell(entry('a'))).toEqual({ id: 'a' })
  expect(waiting()).toEqual([])
  expect(await onDisk()).toEqual([])
})

test('it is on disk before it is sent', async () => {
  let seen: Entry[] = []
  reply = async (a) => ((seen = await onDisk()), taken(a))
  await box.tell(entry('a'))
  expect(seen.map((e) => e.id)).toEqual(['a'])
})

test('what waits goes in order, each once and under its own key', async () => {
  await offline(entry('a'), entry('b'), entry('c'))
  expect(waiting()).toEqual(['a', 'b', 'c'])
  reply = taken
  await Promise.all([box.flush(), box.flush(), box.flush()])
  expect(keys()).toEqual(['a', 'b', 'c'])
  expect(asked[1]).toMatchObject({ path: '/v1/leads/lead_1/notes', body: { text: 'b' } })
  expect(await onDisk()).toEqual([])
})

test('a lost answer is asked for again under the same key, before the next goes', async () => {
  await offline(entry('a'), entry('b'))
  let n = 0
  reply = (a) => (n++ === 0 ? lost(a) : taken(a))
  await box.flush()
  expect(waiting()).toEqual(['a', 'b'])
  await box.flush()
  expect(keys()).toEqual(['a', 'a', 'b'])
})

test('busy, at fault or signed out: it waits, those behind it too, and tries by itself', async () => {
  for (const answer of [problem(503, 'busy', { 'Retry-After': '40' }), problem(500, 'fault'), problem(429, 'too_many', { 'Retry-After': '40' }), problem(401, 'unauthorized')]) {
    await offline(entry('a'), entry('b'))
    let n = 0
    reply = (a) => (n++ === 0 ? answer : taken(a))
    await box.flush()
    expect(waiting(), String(answer.status)).toEqual(['a', 'b'])
    expect((await onDisk()).every((e) => !e.refused)).toBe(true)
    await vi.advanceTimersByTimeAsync(40_000)
    await box.flush()
    expect(keys(), String(answer.status)).toEqual(['a', 'a', 'b'])
  }
})

test('one that is refused is put aside with its reason, and those behind it go on', async () => {
  await offline(entry('a'), entry('b'), entry('c'))
  reply = (a) => (a.key === 'b' ? problem(409, 'lead_passed_on') : taken(a))
  await box.flush()
  expect(keys()).toEqual(['a', 'b', 'c'])
  const kept = [entry('b', { refused: { status: 409, code: 'lead_passed_on', title: 'lead_passed_on', detail: 'It is lead_passed_on.' } })]
  expect(local.get().entries).toEqual(kept)
  expect(await onDisk()).toEqual(kept)
  asked = []
  await box.flush() // it is not sent by itself
  expect(keys()).toEqual([])
  await box.drop('b')
  expect(await onDisk()).toEqual([])
})

test('one that was refused is sent again as another request, when its owner says so', async () => {
  await offline(entry('a'))
  reply = () => problem(409, 'superseded')
  await box.flush()
  reply = taken
  await box.retry(local.get().entries[0]!)
  await box.flush()
  expect(asked[1]).toMatchObject({ path: '/v1/leads/lead_1/notes', body: { text: 'a' } })
  expect(asked[1]!.key).not.toBe('a')
  expect(await onDisk()).toEqual([])
})

test('a refusal while its writer looks on is theirs, and nothing stays', async () => {
  reply = () => problem(409, 'superseded')
  await expect(box.tell(entry('a'))).rejects.toMatchObject({ status: 409, code: 'superseded' })
  expect(await onDisk()).toEqual([])
})

test('the result of an attempt that was given up is shown, and sent again whole', async () => {
  const result = { disposition: 'interested', note: 'Wants the corner flat.' }
  const begun = { channel: 'call', started_at: '2026-03-02T09:58:00Z' }
  await offline(entry('a', { kind: 'result', path: '/v1/attempts/att_1/result', body: result, instead: { path: '/v1/leads/lead_1/attempts', begun } }), entry('b'))
  reply = (a) => (a.path.startsWith('/v1/attempts') ? problem(404, 'not_found') : taken(a))
  await box.flush()
  expect(waiting()).toEqual(['a'])
  const aside = local.get().entries[0]!
  expect(aside).toMatchObject({ body: result, refused: { status: 404 } })
  expect(box.isGivenUp(aside)).toBe(true)
  await box.retry(aside)
  await box.flush()
  expect(asked[2]).toMatchObject({ path: '/v1/leads/lead_1/attempts', body: { ...begun, ...result } })
  expect(await onDisk()).toEqual([])
})

test('a result that was refused for another reason is sent again as it was', async () => {
  const e = entry('a', { kind: 'result', path: '/v1/attempts/att_1/result', body: { disposition: 'busy' }, instead: { path: '/v1/leads/lead_1/attempts', begun: { channel: 'call' } } })
  await offline(e)
  reply = () => problem(409, 'superseded')
  await box.flush()
  const aside = local.get().entries[0]!
  expect(box.isGivenUp(aside)).toBe(false)
  reply = taken
  await box.retry(aside)
  await box.flush()
  expect(asked[1]).toMatchObject({ path: e.path, body: e.body })
})

test('shut, it keeps on disk what it had, and goes on where it stopped', async () => {
  await offline(entry('a'), entry('b'))
  box.closeOutbox()
  expect(waiting()).toEqual([])
  await expect(box.tell(entry('c'))).rejects.toMatchObject({ code: 'offline' })
  reply = taken
  await box.flush()
  expect(keys()).toEqual([])
  await box.openOutbox(db)
  await box.flush()
  expect(keys()).toEqual(['a', 'b'])
})
