// What happens, live: one stream of server-sent events a tab, read with fetch
// because EventSource cannot send a token. It resumes after the last event it
// had, and says how it is.
import { useEffect, useRef, useSyncExternalStore } from 'react'
import { noteServerTime } from './clock'
import { Fault } from './fault'
import { revoked } from './leave'
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

const hearers = new Set<(e: Happened) => void>()
const watchers = new Set<() => void>()
let line: Line = 'connecting'
let last = ''
let running: AbortController | undefined
let heard = 0

function become(l: Line) {
  if (line === l) return
  line = l
  for (const f of watchers) f()
}

async function read(stop: AbortSignal): Promise<'again' | 'ended'> {
  const token = session.get()?.token
  if (!token) return 'ended'
  const headers: Record<string, string> = { Authorization: 'Bearer ' + token, Accept: 'text/event-stream' }
  if (last) headers['Last-Event-ID'] = last
  const answer = await fetch('/v1/events', { headers, signal: stop, cache: 'no-store' })
  noteServerTime(answer.headers.get('Date'))
  reach.note(true)
  if (answer.status === 401 && (await Fault.of(answer)).code === 'device_revoked') revoked()
  if (answer.status === 401 || answer.status === 403) return 'ended'
  if (!answer.ok || !answer.body) throw new Error(String(answer.status))
  become('live')
  heard = Date.now()
  let ended = false
  const take = reader((e) => {
    if (e.id) last = e.id
    if (e.event === 'end') {
      ended = true
      if (e.data.includes('device_revoked')) revoked()
    }
    if (e.event === 'reset') tell({ kind: 'reset', at: new Date().toISOString() })
    else if (e.data && e.event !== 'message' && e.event !== 'end') tell(JSON.parse(e.data) as Happened)
  })
  const text = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await text.read()
    if (done) return ended ? 'ended' : 'again'
    heard = Date.now()
    take(value)
  }
}

function tell(e: Happened) {
  for (const f of hearers) f(e)
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

async function run(stop: AbortSignal) {
  for (let wait = 500; !stop.aborted; wait = Math.min(wait * 2, 15_000)) {
    const begun = Date.now()
    try {
      if ((await read(stop)) === 'ended') {
        become('away')
        return tell({ kind: 'session.ended', at: new Date().toISOString() })
      }
    } catch (e) {
      if (e instanceof TypeError) reach.note(false) // no answer at all
    }
    if (stop.aborted) return
    if (Date.now() - begun > 30_000) wait = 500
    become('away')
    await pause(wait * (0.7 + Math.random() * 0.6), stop)
    if (!stop.aborted) become('connecting')
  }
}

/** Begins to follow; the answer ends it. */
export function follow(): () => void {
  const go = () => {
    running?.abort()
    running = new AbortController()
    void run(running.signal)
  }
  // A heartbeat comes every 15 s. A phone that slept has a dead connection and does not know it.
  const look = () => {
    if (document.visibilityState === 'visible' && Date.now() - heard > 35_000) go()
  }
  const timer = setInterval(look, 10_000)
  document.addEventListener('visibilitychange', look)
  // A page that the browser keeps for going back would keep its connection too, and a server has six of a browser's.
  const leave = () => running?.abort()
  const back = (e: PageTransitionEvent) => e.persisted && go()
  addEventListener('pagehide', leave)
  addEventListener('pageshow', back)
  let token = session.get()?.token
  const off = session.subscribe(() => {
    if (session.get()?.token === token) return
    token = session.get()?.token
    if (token) go()
  })
  go()
  return () => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', look)
    removeEventListener('pagehide', leave)
    removeEventListener('pageshow', back)
    off()
    running?.abort()
    last = ''
  }
}

/** Calls back for each event, for good. */
export const hear = (f: (e: Happened) => void) => void hearers.add(f)

export function useHappened(f: (e: Happened) => void) {
  const latest = useRef(f)
  useEffect(() => {
    latest.current = f
  })
  useEffect(() => {
    const hear = (e: Happened) => latest.current(e)
    hearers.add(hear)
    return () => void hearers.delete(hear)
  }, [])
}

export const useLine = () =>
  useSyncExternalStore(
    (f) => {
      watchers.add(f)
      return () => void watchers.delete(f)
    },
    () => line,
  )
