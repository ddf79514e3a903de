// The keyboard: `/` search, `g` and a letter to go, `j` `k` in lists, `?` shows
// all. Screens say what they take while they stand; the list of keys and the
// palette are made from the same.
import { useEffect, useRef, useSyncExternalStore } from 'react'

export interface Act {
  id: string
  words: string
  /** "g d", "/", "j"; without keys it is in the palette alone. */
  keys?: string
  /** Shown as its group in the palette. */
  group?: string
  run: () => void
}

const acts = new Map<string, Act>()
const listeners = new Set<() => void>()
let list: Act[] = []
let first = ''
let firstAt = 0

function changed() {
  list = [...acts.values()]
  for (const f of listeners) f()
}

/** Whether a key is meant for what is typed into. */
export function typing(target: EventTarget | null): boolean {
  const e = target as HTMLElement | null
  return !!e?.closest?.('input, textarea, select, [contenteditable], [role=combobox]')
}

addEventListener('keydown', (e) => {
  if (e.defaultPrevented || e.altKey || e.ctrlKey || e.metaKey || typing(e.target)) return
  if (document.querySelector('[role=dialog], [role=menu], [role=listbox]')) return
  const chord = first && Date.now() - firstAt < 1200 ? `${first} ${e.key}` : e.key
  first = ''
  const act = list.find((a) => a.keys === chord)
  if (act) {
    e.preventDefault()
    act.run()
  } else if (list.some((a) => a.keys?.startsWith(e.key + ' '))) {
    first = e.key
    firstAt = Date.now()
  }
})

/** The acts are there while the component is. */
export function useActs(mine: Act[]) {
  const latest = useRef(mine)
  useEffect(() => {
    latest.current = mine
  })
  const names = mine.map((a) => `${a.id}\n${a.words}`).join('\n\n')
  useEffect(() => {
    const now = latest.current
    for (const a of now) acts.set(a.id, { ...a, run: () => latest.current.find((b) => b.id === a.id)?.run() })
    changed()
    return () => {
      for (const a of now) acts.delete(a.id)
      changed()
    }
  }, [names])
}

export const useAllActs = () =>
  useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => void listeners.delete(f)
    },
    () => list,
  )

/** `j` and `k` move the focus through the elements that match, below the container. */
export function useListKeys(container: React.RefObject<HTMLElement | null>, words: { next: string; before: string }) {
  const move = (by: number) => {
    const all = [...(container.current?.querySelectorAll<HTMLElement>('[data-row]') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLElement)
    all[Math.max(0, Math.min(all.length - 1, at + by))]?.focus()
  }
  useActs([
    { id: 'list.next', words: words.next, keys: 'j', run: () => move(1) },
    { id: 'list.before', words: words.before, keys: 'k', run: () => move(-1) },
  ])
}
