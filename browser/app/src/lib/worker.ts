// The page's side of the service worker: it is registered when the first
// screen stands, so that it takes nothing from it, and a newer version of the
// app waits until somebody wants it.
import { useSyncExternalStore } from 'react'
import { workerURL } from './trusted'

/** What the worker tells its pages. */
export type Told = { kind: 'push' | 'open'; about: string; id: string } | { kind: 'wipe' }

const hearers = new Set<(m: Told) => void>()
const watchers = new Set<() => void>()
let newer = false
let wanted = false

const container = () => (import.meta.env.PROD && 'serviceWorker' in navigator ? navigator.serviceWorker : undefined)

function fresh() {
  newer = true
  for (const f of watchers) f()
}

function watch(r: ServiceWorkerRegistration) {
  if (r.waiting && navigator.serviceWorker.controller) fresh()
  r.addEventListener('updatefound', () => {
    const next = r.installing
    next?.addEventListener('statechange', () => {
      if (next.state === 'installed' && navigator.serviceWorker.controller) fresh()
    })
  })
}

/** Once, from main. */
export function startWorker() {
  const workers = container()
  if (!workers) return
  workers.addEventListener('message', (e) => {
    for (const f of hearers) f(e.data as Told)
  })
  let had = !!workers.controller
  workers.addEventListener('controllerchange', () => {
    if (wanted) return location.reload()
    if (had) fresh() // another tab wanted it
    had = true
  })
  const go = () => void workers.register(workerURL('service'), { scope: '/app/' }).then(watch, () => {}) // without it the app works, with the server alone
  if (document.readyState === 'complete') setTimeout(go, 1500)
  else addEventListener('load', () => setTimeout(go, 1500), { once: true })
  // An app that stays open for days looks for a newer one when it comes back to the front.
  let looked = Date.now()
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'visible' || Date.now() - looked < 3_600_000) return
    looked = Date.now()
    void workers.getRegistration('/app/').then((r) => r?.update().catch(() => {}))
  })
}

/** Begins anew with the newer version. */
export async function takeNewer() {
  wanted = true
  const waiting = (await container()?.getRegistration('/app/'))?.waiting
  if (waiting) waiting.postMessage({ kind: 'take-over' })
  else location.reload()
}

export const useNewer = () =>
  useSyncExternalStore(
    (f) => {
      watchers.add(f)
      return () => void watchers.delete(f)
    },
    () => newer,
  )

/** Calls back for what the worker tells; the answer ends it. */
export function onTold(f: (m: Told) => void): () => void {
  hearers.add(f)
  return () => void hearers.delete(f)
}
