// What happens, live. A browser has six connections to a server for all its
// tabs, so one tab has the stream, by a Web Lock, and tells the others; when it
// is closed, or says nothing any more, another goes on after the last event.
// Without locks each tab has its own.
import { useEffect, useRef, useSyncExternalStore } from 'react'
import { revoked } from './leave'
import { reach } from './reach'
import { session } from './session'
import { type Happened, type Hearer, type Line, run } from './stream'

export type { Happened, Line } from './stream'

/** What tabs tell each other; of another user's it is not heard. */
type Word = { user: string } & (
  | { is: 'came'; last: string; e?: Happened }
  | { is: 'line'; line: Line; answered: boolean }
  | { is: 'revoked' }
  | { is: 'hello'; tab: string; last: string }
  | { is: 'since'; tab: string; line: Line; last: string; happened: Happened[] | 'too-much' }
)

const name = 'catchment.events'
/** A heartbeat comes every 15 s. A phone that slept has a dead connection and does not know it. */
const silence = 35_000
/** So many events are had again by a tab that comes a moment later. */
const most = 500

const hearers = new Set<(e: Happened) => void>()
const watchers = new Set<() => void>()
const tab = Math.random().toString(36).slice(2)
let line: Line = 'connecting'
let last = ''
let heard = 0
// What came since the stream was begun here, and the id before it.
let recent: { id: number; e: Happened }[] = []
let recentFrom = Infinity

function become(l: Line) {
  if (line === l) return
  line = l
  for (const f of watchers) f()
}

function tell(e: Happened) {
  for (const f of hearers) f(e)
}

const reset = (): Happened => ({ kind: 'reset', at: new Date().toISOString() })
const me = () => session.get()?.user_id ?? ''

/** The side of the tab that has the stream. */
function leading(say: (w: Word) => void): Hearer {
  let said = 0 // a sign of life now and then is enough
  return {
    last: () => last,
    line(l) {
      heard = Date.now()
      become(l)
      say({ user: me(), is: 'line', line: l, answered: !reach.away() })
    },
    came(id, e) {
      heard = Date.now()
      if (id) {
        last = id
        recentFrom = Math.min(recentFrom, Number(id) - 1)
      }
      if (e?.kind === 'reset') {
        recent = []
        recentFrom = Number(last)
      } else if (id && e) recent.push({ id: Number(id), e })
      if (recent.length > most) recentFrom = recent.shift()!.id
      if (e || heard - said > 5000) {
        said = heard
        say({ user: me(), is: 'came', last, e })
      }
      if (e) tell(e)
    },
    revoked() {
      say({ user: me(), is: 'revoked' })
      revoked()
    },
  }
}

/** What a tab that has just come has not heard: it read its screen after the event of this id. */
function since(id: string): Happened[] | 'too-much' {
  if (!id) return []
  return Number(id) < recentFrom ? (last && Number(id) < Number(last) ? 'too-much' : []) : recent.filter((r) => r.id > Number(id)).map((r) => r.e)
}

/** The side of the others. */
function hearWord(w: Word) {
  heard = Date.now()
  switch (w.is) {
    case 'came':
      if (w.last) last = w.last
      if (w.e) tell(w.e)
      return
    case 'line':
      become(w.line)
      return reach.note(w.answered)
    case 'revoked':
      return revoked()
    case 'since':
      if (w.tab !== tab) return
      become(w.line)
      if (w.last) last = w.last
      if (w.happened === 'too-much') return tell(reset())
      for (const e of w.happened) tell(e)
  }
}

/** Holds the lock while it may; begin is called when this tab has it, rest when it has not any more. */
function holdLock(begin: () => void, rest: () => void) {
  let wanted: AbortController | undefined
  let release: (() => void) | undefined
  const ask = (steal: boolean) => {
    const w = new AbortController()
    wanted = w
    navigator.locks
      .request(name, steal ? { steal } : { signal: w.signal }, () => {
        if (w.signal.aborted) return
        begin()
        return new Promise<void>((go) => (release = go))
      })
      .catch(() => {}) // let go of, or another tab took it
      .then(() => {
        if (wanted !== w) return
        rest()
        ask(false)
      })
  }
  const end = () => {
    wanted?.abort()
    wanted = undefined
    release?.()
    rest()
  }
  return { ask: () => wanted ?? ask(false), take: () => (end(), ask(true)), end }
}

/** Begins to follow, after the event before the position; the answer ends it. */
export function follow(from?: number | null): () => void {
  last = from ? String(from - 1) : ''
  heard = Date.now()
  let stream: AbortController | undefined
  const shared = !!navigator.locks && 'BroadcastChannel' in globalThis
  const channel = shared ? new BroadcastChannel(name) : undefined
  const hearer = leading((w) => channel?.postMessage(w))
  const begin = () => {
    stream?.abort()
    stream = new AbortController()
    recent = []
    recentFrom = last ? Number(last) : Infinity
    void run(hearer, stream.signal)
  }
  const rest = () => {
    stream?.abort()
    stream = undefined
  }
  const alone = { ask: () => stream ?? begin(), take: begin, end: rest }
  const place = shared ? holdLock(begin, rest) : alone
  if (channel) {
    channel.onmessage = ({ data: w }: MessageEvent<Word>) => {
      if (w.user !== me()) return
      if (w.is === 'hello') {
        if (stream) channel.postMessage({ user: me(), is: 'since', tab: w.tab, line, last, happened: since(w.last) } satisfies Word)
      } else if (!stream) hearWord(w)
    }
    channel.postMessage({ user: me(), is: 'hello', tab, last } satisfies Word)
  }
  // Who is looked at does not wait for a tab that says nothing.
  const look = () => {
    if (document.visibilityState !== 'visible' || Date.now() - heard <= silence) return
    heard = Date.now()
    if (stream) begin()
    else place.take()
  }
  const timer = setInterval(look, 10_000)
  document.addEventListener('visibilitychange', look)
  // A page that the browser keeps for going back would keep its connection, and the lock, too.
  const back = (e: PageTransitionEvent) => e.persisted && place.ask()
  addEventListener('pagehide', place.end)
  addEventListener('pageshow', back)
  let token = session.get()?.token
  const off = session.subscribe(() => {
    if (session.get()?.token === token) return
    token = session.get()?.token
    if (token && stream) begin()
  })
  place.ask()
  return () => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', look)
    removeEventListener('pagehide', place.end)
    removeEventListener('pageshow', back)
    off()
    place.end()
    channel?.close()
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
