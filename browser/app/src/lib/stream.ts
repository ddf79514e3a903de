// The live stream itself: server-sent events, read with fetch because
// EventSource cannot send a token. It is begun again until it is stopped, after
// the last event that came. Which tab has it, lib/events says.
import { noteServerTime } from './clock'
import { Fault } from './fault'
import { reach } from './reach'
import { session } from './session'
import { reader } from './sse'

export interface Happened {
  kind: string
  at: string
  lead_id?: string
  offer_id?: string
  user_id?: string
  project_id?: string
  source_id?: string
  data?: Record<string, unknown>
}
export type Line = 'connecting' | 'live' | 'away'

export interface Hearer {
  /** The id of the last event that was had; empty: the stream begins now. */
  last(): string
  line(l: Line): void
  /** Something came: an event, or only a sign of life; id moves on with both. */
  came(id: string | undefined, e?: Happened): void
  /** This device is to keep nothing any more. */
  revoked(): void
}

async function read(h: Hearer, stop: AbortSignal): Promise<'again' | 'ended'> {
  const token = session.get()?.token
  if (!token) return 'ended'
  const headers: Record<string, string> = { Authorization: 'Bearer ' + token, Accept: 'text/event-stream' }
  if (h.last()) headers['Last-Event-ID'] = h.last()
  const answer = await fetch('/v1/events', { headers, signal: stop, cache: 'no-store' })
  noteServerTime(answer.headers.get('Date'))
  reach.note(true)
  if (answer.status === 401 && (await Fault.of(answer)).code === 'device_revoked') h.revoked()
  if (answer.status === 401 || answer.status === 403) return 'ended'
  if (!answer.ok || !answer.body) throw new Error(String(answer.status))
  h.line('live')
  let ended = false
  const take = reader((e) => {
    if (e.event === 'end') {
      ended = true
      if (e.data.includes('device_revoked')) h.revoked()
    }
    if (e.event === 'reset') h.came(e.id, { kind: 'reset', at: new Date().toISOString() })
    else h.came(e.id, e.data && e.event !== 'message' && e.event !== 'end' ? (JSON.parse(e.data) as Happened) : undefined)
  })
  const text = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await text.read()
    if (done) return ended ? 'ended' : 'again'
    h.came(undefined)
    take(value)
  }
}

const pause = (ms: number, stop: AbortSignal) =>
  new Promise<void>((go) => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      go()
    }
    const timer = setTimeout(done, ms)
    addEventListener('online', done)
    stop.addEventListener('abort', done)
  })

/** Follows until it is stopped, or the session's right to it ends. */
export async function run(h: Hearer, stop: AbortSignal) {
  for (let wait = 500; !stop.aborted; wait = Math.min(wait * 2, 15_000)) {
    const begun = Date.now()
    try {
      if ((await read(h, stop)) === 'ended') {
        if (stop.aborted) return
        h.line('away')
        return h.came(undefined, { kind: 'session.ended', at: new Date().toISOString() })
      }
    } catch (e) {
      if (e instanceof TypeError) reach.note(false) // no answer at all
    }
    if (stop.aborted) return
    if (Date.now() - begun > 30_000) wait = 500
    h.line('away')
    await pause(wait * (0.7 + Math.random() * 0.6), stop)
    if (!stop.aborted) h.line('connecting')
  }
}
