import { when } from '../../lib/format'
import { tOf } from '../../lib/words'
import type { Entry } from './state'

interface Said {
  text?: string
  note?: string
  disposition?: string
  at?: string | null
  state?: string
  category?: string
  reason?: string
  stage?: { category?: string }
  next?: { at?: string | null }
}

/** What was to be told, as it was written. */
export function contentOf(e: Entry): string {
  const b = e.body as Said
  const at = b.next?.at ?? b.at
  const category = b.category ?? b.stage?.category
  return [b.disposition && tOf('desk.disposition', b.disposition), b.state && tOf('desk.visit', b.state), category && tOf('desk.category', category), b.reason && tOf('desk.reason', b.reason), at && when(at), b.text ?? b.note].filter(Boolean).join(' · ')
}
