// The one way to the server: typed by its own document, with the session's
// token, a key for each change so that repeating it is safe, and the dialogs
// that the server asks for on the way.
import createClient from 'openapi-fetch'
import type { components, paths } from '../api/schema'
import { taken } from './before'
import { noteServerTime } from './clock'
import { Fault } from './fault'
import { revoked } from './leave'
import { reach } from './reach'
import { session } from './session'

export type Schemas = components['schemas']

/** What may stand between a request and its answer; each resolves when the request can go again, and false when it cannot. */
export type Asked = 'signIn' | 'secondFactor' | 'stepUp'
type Ask = (what: Asked) => Promise<boolean>
let ask: Ask = () => Promise.resolve(false)
export const setAsk = (f: Ask) => void (ask = f)

const pause = (ms: number) => new Promise((go) => setTimeout(go, ms))

type Carry = (r: Request) => Promise<Response>
const carried: Carry = (r) => fetch(r)

async function once(r: Request, token?: string, carry = carried): Promise<Response> {
  const headers = new Headers(r.headers)
  if (token) headers.set('Authorization', 'Bearer ' + token)
  const before = r.method === 'GET' ? taken(r.url, token) : undefined
  const answer = await (before ?? carry(new Request(r, { headers, cache: 'no-store', referrerPolicy: 'no-referrer' })))
  noteServerTime(answer.headers.get('Date'))
  reach.note(true)
  return answer
}

/** Repeats what got no answer, or one that says "busy": each change carries its key. */
async function patiently(r: Request, token?: string, carry?: Carry): Promise<Response> {
  for (let tries = 0; ; tries++) {
    try {
      const answer = await once(r.clone(), token, carry)
      const wait = Number(answer.headers.get('Retry-After')) || 1
      if (answer.status !== 503 || tries > 1 || wait > 5) return answer
      await pause(wait * 1000)
    } catch (e) {
      if (r.signal.aborted) throw e
      // Once it is known to be away, each asks once: the rest is the stream's.
      if (tries > 1 || !navigator.onLine || reach.away()) {
        reach.note(false)
        throw Fault.offline()
      }
      await pause(tries ? 1500 : 300)
    }
  }
}

function keyed(r: Request): Request {
  if (r.method === 'GET' || r.method === 'DELETE' || r.headers.has('Idempotency-Key')) return r
  const headers = new Headers(r.headers)
  headers.set('Idempotency-Key', crypto.randomUUID())
  return new Request(r, { headers })
}

const inTheWay: Record<string, Asked> = { second_factor_required: 'secondFactor', step_up_required: 'stepUp' }

async function asSession(input: Request, carry?: Carry): Promise<Response> {
  const r = keyed(input)
  for (let asked = 0; ; asked++) {
    const token = session.get()?.token
    const answer = await patiently(r, token, carry)
    if (answer.status === 401 && (await Fault.of(answer.clone())).code === 'device_revoked') {
      revoked()
      return answer
    }
    const what = answer.status === 401 ? 'signIn' : answer.status === 403 ? inTheWay[(await Fault.of(answer.clone())).code] : undefined
    if (!what || asked > 1) return answer
    // Another request may have been through it meanwhile.
    if (session.get()?.token === token && !(await ask(what))) return answer
  }
}

/** A change as whoever is signed in, told by its path: for what was written down and is sent later. */
export const send = (path: string, body: unknown, headers: Record<string, string>) =>
  asSession(new Request(new URL(path, location.origin), { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', ...headers } }))

/** A file on its way to the server. fetch does not say how far a body is, so this goes by the older way, with all else as every change has it. */
export const sendFile = (path: string, file: Blob, headers: Record<string, string>, signal: AbortSignal, sent: (bytes: number) => void) =>
  asSession(
    new Request(new URL(path, location.origin), { method: 'POST', headers: { 'Content-Type': 'application/octet-stream', ...headers }, signal }),
    (r) =>
      new Promise((good, bad) => {
        const x = new XMLHttpRequest()
        x.open(r.method, r.url)
        r.headers.forEach((value, name) => x.setRequestHeader(name, value))
        x.upload.onprogress = (e) => sent(e.loaded)
        x.onload = () => good(new Response(x.responseText, { status: x.status, headers: new Headers(x.getAllResponseHeaders().trim().split(/\r?\n/).flatMap((l) => (l.includes(':') ? [[l.slice(0, l.indexOf(':')), l.slice(l.indexOf(':') + 1).trim()] as [string, string]] : []))) }))
        x.onerror = () => bad(new TypeError('no answer'))
        const stop = () => {
          x.abort()
          bad(new DOMException('stopped', 'AbortError'))
        }
        if (r.signal.aborted) return stop()
        r.signal.addEventListener('abort', stop)
        sent(0)
        x.send(file)
      }),
  )

/** As whoever is signed in. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: (r) => asSession(r) })

/** As nobody, for the few routes before a session: no dialog opens on the way. */
export const door = createClient<paths>({ baseUrl: location.origin, fetch: (r) => patiently(keyed(r)) })

/** The answer, or a Fault. */
export async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call
  if (response.ok) return data as T
  const retry = Number(response.headers.get('Retry-After')) || undefined
  if (error && typeof error === 'object' && 'code' in error) throw await Fault.told({ ...(error as Schemas['Problem']), status: response.status }, retry)
  throw new Fault({ status: response.status, code: 'unreadable_answer', title: response.statusText || String(response.status) }, retry)
}
