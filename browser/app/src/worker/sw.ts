// The service worker: the app's own files for when there is no server, and
// pushes for when no page is open. What the server says is never kept here, and
// nothing personal.
import { pushed, tapped } from './push'
import { worker } from './scope'
import { answer, clean, keep } from './shell'

worker.addEventListener('install', (e) => {
  e.waitUntil(keep())
  // The API is not the worker's: where a browser can be told so, a request does not wait for it.
  const routes = e as ExtendableEvent & { addRoutes?(rules: object[]): Promise<void> }
  if (routes.addRoutes) e.waitUntil(routes.addRoutes([{ condition: { urlPattern: { pathname: '/v1/*' } }, source: 'network' }]).catch(() => {}))
})
worker.addEventListener('activate', (e) => e.waitUntil(clean().then(() => worker.clients.claim())))
worker.addEventListener('fetch', (e) => {
  const said = answer(e.request)
  if (said) e.respondWith(said)
})
worker.addEventListener('push', (e) => e.waitUntil(pushed(e.data?.text())))
worker.addEventListener('notificationclick', (e) => e.waitUntil(tapped(e.notification)))
worker.addEventListener('message', (e) => {
  if ((e.data as { kind?: string } | null)?.kind === 'take-over') e.waitUntil(worker.skipWaiting())
})
