// The app's files. A version's are kept together, under names that hold their
// content, so that a page goes on with the files it began with; the one before
// stays for tabs that are still open.
import { worker } from './scope'

declare const __FILES__: string[]
declare const __VERSION__: string

const files: readonly string[] = __FILES__ // one copy of the list
const scope = '/app/'
const page = scope + 'index.html'
const prefix = 'shell-'
const own = prefix + __VERSION__

// The server has no file of ours any more: it has a newer app.
let stale = false

/** Keeps this version's files, those of the version before without asking for them again. */
export async function keep() {
  const cache = await caches.open(own)
  await Promise.all(files.map((name) => bring(cache, scope + name)))
  // A server that was replaced in between has given another version's page.
  const text = await (await cache.match(page))?.text()
  const entry = files.find((name) => /^assets\/base-.*\.js$/.test(name))
  if (!text || (entry && !text.includes(entry))) {
    await caches.delete(own)
    throw new Error('another version')
  }
}

async function bring(cache: Cache, path: string) {
  const hashed = path.startsWith(scope + 'assets/')
  const had = hashed ? await caches.match(path) : undefined
  const file = had ?? (await fetch(path, { cache: hashed ? 'default' : 'no-cache', credentials: 'omit' }))
  if (!file.ok) throw new Error(`${path}: ${file.status}`)
  await cache.put(path, file)
}

/** Forgets all versions but this one and the one before. */
export async function clean() {
  const older = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== own)
  await Promise.all(older.slice(0, -1).map((name) => caches.delete(name)))
}

/** What to answer with, or nothing where the browser should ask as always. */
export function answer(r: Request): Promise<Response> | undefined {
  const at = new URL(r.url)
  if (r.method !== 'GET' || at.origin !== worker.location.origin || !at.pathname.startsWith(scope)) return
  if (r.mode === 'navigate') return navigate(r, at.pathname)
  if (at.pathname.startsWith(scope + 'assets/') || files.includes(at.pathname.slice(scope.length))) return file(r, at.pathname)
  return
}

/**
 * A page. The desk begins from what is kept, at once and without a server; the
 * console, whose files are not kept, from what the server has now.
 */
async function navigate(r: Request, path: string): Promise<Response> {
  if (await replaced()) return new Response('', { headers: { Refresh: '0', 'Cache-Control': 'no-store' } })
  if (/\.\w+$/.test(path)) return (await caches.match(path)) ?? fetch(r)
  const kept = await (await caches.open(own)).match(page)
  if (kept && !stale && !path.startsWith(scope + 'console')) return kept
  try {
    return await fetch(r)
  } catch (e) {
    if (kept) return kept
    throw e
  }
}

/** A newer version waits and no other tab would notice: it takes over, and the page is asked for again. */
async function replaced() {
  const next = worker.registration.waiting
  if (!next || (await worker.clients.matchAll({ type: 'window' })).length > 1) return false
  next.postMessage({ kind: 'take-over' })
  return true
}

async function file(r: Request, path: string): Promise<Response> {
  const kept = await caches.match(path)
  if (kept) return kept
  const got = await fetch(r)
  if (got.status === 404) {
    stale = true
    void worker.registration.update().catch(() => {})
  }
  if (got.ok && path.endsWith('.woff2')) await (await caches.open(own)).put(path, got.clone())
  return got
}
