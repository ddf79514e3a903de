// Files on their way from this tab to the server. They go on while other pages
// are looked at, one after the other, and what was chosen stays here until it is
// there or somebody leaves it out; nothing of it is written to the device.
import { useSyncExternalStore } from 'react'
import { sendFile } from '../lib/api'
import { Fault, faultOf } from '../lib/fault'
import { bytes } from '../lib/format'
import { beforeLeaving } from '../lib/leave'
import { queries } from '../lib/query'
import { reach } from '../lib/reach'
import { t } from '../lib/words'

/** As many bytes as the server takes (docs/files.md): what has more is not sent to hear it. */
const maxBytes = 25 << 20

export interface Arriving {
  id: string // its Idempotency-Key too: sent again it is the same file
  lead: string
  file: File
  is: 'waits' | 'sends' | 'refused'
  /** Bytes that have left. */
  sent: number
  /** How often it went again by itself. */
  tries: number
  /** Why it was not taken; another try may help when again is true. */
  why?: { words: string; again: boolean; offline: boolean }
}

let all: Arriving[] = []
let stop: AbortController | undefined
const listeners = new Set<() => void>()

function become(next: Arriving[]) {
  all = next
  for (const f of listeners) f()
}
const change = (id: string, part: Partial<Arriving>) => become(all.map((a) => (a.id === id ? { ...a, ...part } : a)))

const subscribe = (f: () => void) => {
  listeners.add(f)
  return () => void listeners.delete(f)
}
const snapshot = () => all
export const useArriving = (lead: string) => useSyncExternalStore(subscribe, snapshot).filter((a) => a.lead === lead)

/** Has these files go to the lead, in this order. */
export function add(lead: string, files: Iterable<File>) {
  become([
    ...all,
    ...[...files].map((file): Arriving => {
      const words = file.size > maxBytes ? t('attached.tooLarge', { size: bytes(25_000_000) }) : file.size === 0 ? t('attached.isEmpty') : ''
      return { id: crypto.randomUUID(), lead, file, sent: 0, tries: 0, ...(words ? { is: 'refused', why: { words, again: false, offline: false } } : { is: 'waits' }) }
    }),
  ])
  void next()
}

export function again(id: string, tries = 0) {
  change(id, { is: 'waits', sent: 0, tries, why: undefined })
  void next()
}

/** Stops it where it is going, and forgets it. */
export function drop(id: string) {
  const going = all.find((a) => a.id === id)?.is === 'sends'
  become(all.filter((a) => a.id !== id))
  if (going) stop?.abort()
}

async function next() {
  const one = all.find((a) => a.is === 'waits')
  if (!one || stop) return
  stop = new AbortController()
  change(one.id, { is: 'sends' })
  try {
    await send(one, stop.signal)
    become(all.filter((a) => a.id !== one.id))
    await queries.invalidateQueries({ queryKey: ['lead', one.lead] })
  } catch (e) {
    if (!stop.signal.aborted) change(one.id, { is: 'refused', why: whyOf(faultOf(e)) })
  }
  stop = undefined
  void next()
}

async function send({ id, lead, file }: Arriving, signal: AbortSignal) {
  // What cannot be read any more would look as if the server were away.
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new Fault({ status: 0, code: 'file_gone', title: 'gone' })
  })
  const name = encodeURIComponent(file.name).replace(/['()*]/g, (c) => '%' + c.charCodeAt(0).toString(16)) // RFC 8187
  const headers = { 'Idempotency-Key': id, 'Content-Disposition': `attachment; filename*=UTF-8''${name}` }
  const answer = await sendFile(`/v1/leads/${lead}/files`, file, headers, signal, (sent) => change(id, { sent }))
  if (!answer.ok) throw await Fault.of(answer)
}

function whyOf(f: Fault) {
  if (f.code === 'offline') return { words: t('attached.offline'), again: true, offline: true }
  if (f.code === 'file_gone') return { words: t('attached.gone'), again: false, offline: false }
  // What is said of the file is final; of the way there or of the room it may be otherwise the next time.
  return { words: f.detail || f.message, again: f.status !== 415 && f.status !== 422 && f.code !== 'file_too_large', offline: false }
}

// The server may answer all but this: a few times it goes by itself, then somebody has to say so.
reach.subscribe(() => {
  if (!reach.away()) for (const a of all) if (a.why?.offline && a.tries < 3) again(a.id, a.tries + 1)
})
beforeLeaving(() => {
  become([])
  stop?.abort()
})
