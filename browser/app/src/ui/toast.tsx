import { useSyncExternalStore } from 'react'
import { type Fault, faultOf } from '../lib/fault'
import { t } from '../lib/words'

export type Kind = 'good' | 'lost' | 'plain'
export interface Said {
  title: string
  words?: string
  kind: Kind
  act?: { words: string; run: () => void }
}

// What shows them is loaded with the first one, so they wait here until it stands.
const waiting: Said[] = []
const watchers = new Set<() => void>()
let show: ((s: Said) => void) | undefined
let any = false

/** Says in passing what happened; nothing that must not be missed. */
export function say(title: string, options: { kind?: Kind; words?: string; act?: { words: string; run: () => void } } = {}) {
  const s = { ...options, title, kind: options.kind ?? 'plain' }
  if (show) return show(s)
  waiting.push(s)
  any = true
  for (const f of watchers) f()
}

/** Whether anything was said yet. */
export const useAnySaid = () =>
  useSyncExternalStore(
    (f) => {
      watchers.add(f)
      return () => void watchers.delete(f)
    },
    () => any,
  )

/** What shows them takes what waits, and the next ones; the answer ends it. */
export function takeSaid(f: (s: Said) => void): () => void {
  show = f
  for (const s of waiting.splice(0)) f(s)
  return () => {
    if (show === f) show = undefined
  }
}

/** What went wrong and the way out, with the id that support finds it by. */
export function faultWords(f: Fault): { title: string; words?: string } {
  if (f.code === 'offline') return { title: t('fault.offline'), words: t('fault.offlineWay') }
  if (f.code === 'unexpected') return { title: t('fault.broken'), words: t('fault.brokenWay') }
  const words = [f.detail, f.requestId && t('fault.id', { id: f.requestId })].filter(Boolean).join(' ')
  return { title: f.message, words: words || undefined }
}

export function sayFault(e: unknown) {
  const w = faultWords(faultOf(e))
  say(w.title, { kind: 'lost', words: w.words })
}

/** The fault of a form: its fields show what is wrong with them, the rest is said here. */
export function formFault(e: unknown): Fault {
  const f = faultOf(e)
  if (!Object.keys(f.fields).length) sayFault(f)
  return f
}

