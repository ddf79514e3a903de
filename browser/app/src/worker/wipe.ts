// This device was revoked: what the app keeps in the browser is deleted from
// here, too, because no page may be open. Pages are told first: a page that has
// a file open holds it, and only the page itself can let go of it.
import { worker } from './scope'

export async function wipe() {
  for (const page of await worker.clients.matchAll({ type: 'window', includeUncontrolled: true })) page.postMessage({ kind: 'wipe' })
  const ended = worker.registration.pushManager.getSubscription().then((s) => s?.unsubscribe())
  await Promise.allSettled([emptyFiles(), dropDatabases(), ended])
}

async function emptyFiles() {
  const root = await navigator.storage.getDirectory()
  const names: string[] = []
  for await (const name of (root as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name)
  await Promise.allSettled(names.map((name) => root.removeEntry(name, { recursive: true })))
}

async function dropDatabases() {
  for (const { name } of await indexedDB.databases()) if (name) indexedDB.deleteDatabase(name)
}
