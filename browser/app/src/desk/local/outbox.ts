// What was done goes into the sealed database first, and from there to the
// server: in order, each under its own Idempotency-Key, so that it happens once
// however often it is sent. What the server refuses is kept apart and shown,
// and those behind it go on.
import { send } from '../../lib/api'
import { Fault } from '../../lib/fault'
import { reach } from '../../lib/reach'
import type { Database } from './database'
import { type Entry, local } from './state'

let db: Database | undefined
let running: Promise<void> | undefined
let again: ReturnType<typeof setTimeout> | undefined
// Who pressed the button and still looks at the form.
const awaiting = new Map<string, { good(v: unknown): void; bad(f: Fault): void }>()
const heard = new Set<(e: Entry) => void>()

/** Tells of each entry that the server has taken. */
export const onSent = (f: (e: Entry) => void) => void heard.add(f)

const show = (f: (all: readonly Entry[]) => Entry[]) => local.set({ entries: f(local.get().entries) })

/** Begins with what an earlier run left. */
export async function openOutbox(d: Database) {
  const [rows] = await d.run(['SELECT entry FROM outbox ORDER BY seq'])
  db = d
  show(() => rows!.map(([e]) => JSON.parse(e as string) as Entry))
  void flush()
}

/** What was written down stays so; nothing is sent any more. */
export function closeOutbox() {
  db = undefined
  clearTimeout(again)
  for (const w of awaiting.values()) w.bad(Fault.offline())
  awaiting.clear()
  show(() => [])
}

/**
 * Writes the entry down and sends what waits. Resolves with the server's
 * answer, or with undefined when it is kept for later; a refusal is the
 * caller's to show, and the entry is gone.
 */
export async function tell(entry: Entry): Promise<unknown> {
  if (!db) throw Fault.offline()
  await db.run(['INSERT INTO outbox (id, entry) VALUES (?, ?)', [entry.id, JSON.stringify(entry)]])
  const answer = new Promise((good, bad) => awaiting.set(entry.id, { good, bad }))
  show((all) => [...all, entry])
  void flush().then(() => {
    awaiting.get(entry.id)?.good(undefined)
    awaiting.delete(entry.id)
  })
  return answer
}

/** One run at a time; who comes meanwhile gets a run of their own after it. */
export function flush(): Promise<void> {
  const mine = (running ?? Promise.resolve()).then(run)
  running = mine
  void mine.finally(() => {
    if (running === mine) running = undefined
  })
  return mine
}

async function run() {
  clearTimeout(again)
  for (;;) {
    const next = local.get().entries.find((e) => !e.refused)
    if (!db || !next) return
    let answer: Response
    try {
      answer = await send(next.path, next.body, { 'Idempotency-Key': next.id, 'Catchment-Clock': new Date().toISOString() })
    } catch {
      return later(30)
    }
    if (answer.ok) await sent(next, await answer.json().catch(() => undefined))
    else {
      const fault = await Fault.of(answer)
      if (waits(fault)) return later(fault.retryAfter ?? 30)
      await refused(next, fault)
    }
  }
}

/** Whether the same request may be taken another time: the server is busy or at fault, or somebody has to sign in. */
export const waits = (f: Pick<Fault, 'status'>) => f.status === 401 || f.status === 408 || f.status === 429 || f.status >= 500 || f.status === 0

function later(seconds: number) {
  if (!reach.away()) again = setTimeout(() => void flush(), seconds * 1000)
}

async function sent(e: Entry, answer: unknown) {
  await db?.run(['DELETE FROM outbox WHERE id = ?', [e.id]])
  show((all) => all.filter((x) => x.id !== e.id))
  awaiting.get(e.id)?.good(answer)
  awaiting.delete(e.id)
  for (const f of heard) f(e)
}

async function refused(e: Entry, f: Fault) {
  const asker = awaiting.get(e.id)
  if (asker) {
    awaiting.delete(e.id)
    await drop(e.id)
    return asker.bad(f)
  }
  await change({ ...e, refused: { status: f.status, code: f.code, title: f.message, ...(f.detail ? { detail: f.detail } : {}) } })
}

async function change(e: Entry) {
  await db?.run(['UPDATE outbox SET entry = ? WHERE id = ?', [JSON.stringify(e), e.id]])
  show((all) => all.map((x) => (x.id === e.id ? e : x)))
}

/** Gives up on one. */
export async function drop(id: string) {
  await db?.run(['DELETE FROM outbox WHERE id = ?', [id]])
  show((all) => all.filter((x) => x.id !== id))
}

/** Gives up on all of a lead. */
export const dropOf = (lead: string) => Promise.all(local.get().entries.filter((e) => e.lead === lead).map((e) => drop(e.id)))

/** Whether this is the result of an attempt that the server has given up: another was begun after it. */
export const isGivenUp = (e: Entry) => e.kind === 'result' && e.refused?.status === 404 && !!e.instead

/** Sends one that was refused once more: what was in its way may be gone. One that was given up is told whole. */
export async function retry(e: Entry) {
  const { refused: _, instead, ...rest } = e
  if (instead && isGivenUp(e)) Object.assign(rest, { kind: 'attempt', path: instead.path, body: { ...instead.begun, ...e.body } })
  else if (instead) Object.assign(rest, { instead })
  // A refusal is an answer, and answers are kept by their key: another try is another request.
  const fresh = { ...rest, id: crypto.randomUUID() }
  await db?.run(['UPDATE outbox SET id = ?, entry = ? WHERE id = ?', [fresh.id, JSON.stringify(fresh), e.id]])
  show((all) => all.map((x) => (x.id === e.id ? fresh : x)))
  void flush()
}
