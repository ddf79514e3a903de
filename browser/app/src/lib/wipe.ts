// What the app keeps on this device, and how it is deleted. Without imports of
// the app, so that a worker can do it, too.

/** In the origin's private file system: the desk's sealed database. */
export const folder = '.catchment-desk'
/** In IndexedDB: the device's secret and, wrapped, the database's key. */
export const strongbox = 'catchment'

const absent = (e: unknown) => (e as DOMException).name === 'NotFoundError'

/** Deletes both, and answers whether nothing is left. A worker that still holds the files has to be ended before, and lets go of them a moment later. */
export async function wipe(): Promise<boolean> {
  const done = await Promise.allSettled([wipeFiles(), wipeStrongbox()])
  return done.every((d) => d.status === 'fulfilled')
}

async function wipeFiles() {
  if (!navigator.storage?.getDirectory) return
  const root = await navigator.storage.getDirectory()
  for (let tries = 0; ; tries++) {
    try {
      return await root.removeEntry(folder, { recursive: true })
    } catch (e) {
      if (absent(e)) return
      if (tries > 50) throw e
      await new Promise((go) => setTimeout(go, 60))
    }
  }
}

function wipeStrongbox() {
  return new Promise<void>((good, bad) => {
    const r = indexedDB.deleteDatabase(strongbox)
    r.onsuccess = () => good()
    r.onerror = () => bad(r.error)
    // A connection of ours closes by itself when it hears of this; then it goes on.
  })
}
