// A lead as it will be once the server has heard what waits to be sent. The
// server decides; this is what its owner sees until then.
import type { Schemas } from '../../lib/api'
import type { Entry } from './state'

type Lead = Schemas['Lead']

export function asIf(lead: Lead, entries: readonly Entry[]): Lead {
  return entries.reduce((l, e) => (e.lead === lead.id && !e.refused ? after(l, e) : l), lead)
}

interface Told {
  at?: string | null
  what?: string
  next?: { at?: string | null; what?: string }
  stage?: { category?: string }
  started_at?: string
}

function after(l: Lead, e: Entry): Lead {
  const b = e.body as Told
  switch (e.kind) {
    case 'next':
      return following(l, b)
    case 'attempt':
    case 'result': {
      const tried = { ...l, attempted_at: l.attempted_at ?? b.started_at ?? e.at }
      return b.next ? following(tried, b.next) : tried
    }
    default:
      return l
  }
}

const following = (l: Lead, next: { at?: string | null; what?: string }): Lead =>
  next.at ? { ...l, next_at: next.at, next_what: (next.what ?? 'call') as Lead['next_what'], overdue: false } : { ...l, next_at: null, next_what: null, overdue: false }
