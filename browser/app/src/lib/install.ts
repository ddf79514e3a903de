// Putting the app on the home screen. Browsers that can ask offer it by an
// event, which is kept until somebody wants it.
import { useSyncExternalStore } from 'react'

interface Asking extends Event {
  prompt(): Promise<{ outcome: 'accepted' | 'dismissed' }>
}

let asking: Asking | undefined
const watchers = new Set<() => void>()
const tell = () => {
  for (const f of watchers) f()
}

/** Once, from main: the event comes early. */
export function watchInstall() {
  addEventListener('beforeinstallprompt', (e) => {
    e.preventDefault() // the browser's own bar does not interrupt
    asking = e as Asking
    tell()
  })
  addEventListener('appinstalled', () => {
    asking = undefined
    tell()
  })
}

/** Whether the browser would put the app on the home screen if asked. */
export const useInstallable = () =>
  useSyncExternalStore(
    (f) => {
      watchers.add(f)
      return () => void watchers.delete(f)
    },
    () => asking !== undefined,
  )

export async function install(): Promise<boolean> {
  const e = asking
  asking = undefined // it asks once
  tell()
  return (await e?.prompt())?.outcome === 'accepted'
}
