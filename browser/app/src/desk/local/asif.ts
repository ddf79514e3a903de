// A lead as it will be once the server has heard what waits to be sent. The
// server decides; this is what its owner sees until then.
import type { Schemas } from '../../lib/api'
import type { Entry } from './state'

type Lead = Schemas['Lead']
export type Category = Lead['stage']['category']

/** named is what a category is called while nobody knows which of the account's stages it will be. */
export function asIf(lead: Lead, entries: readonly Entry[], named: (category: Category) => string): Lead {
  return entries.reduce((l, e) => (e.lead === lead.id && !e.refused ? after(l, e, named) : l), lead)
}

interface Told {
  at?: string | null
  what?: string
  next?: { at?: string | null; what?: string }
  stage?: { category?: Category }
  category?: Category
  started_at?: string
}

function after(l: Lead, e: Entry, named: (category: Category) => string): Lead {
  const b = e.body as Told
  switch (e.kind) {
    case 'next':
      return following(l, b)
    case 'attempt':
    case 'result': {
      const tried = moved({ ...l, attempted_at: l.attempted_at ?? b.started_at ?? e.at }, e, b.stage?.category, named)
      return b.next ? following(tried, b.next) : tried
    }
    case 'stage':
      return moved(l, e, b.category, named)
    default:
      return l
  }
}

const following = (l: Lead, next: { at?: string | null; what?: string }): Lead =>
  next.at ? { ...l, next_at: next.at, next_what: (next.what ?? 'call') as Lead['next_what'], overdue: false } : { ...l, next_at: null, next_what: null, overdue: false }

/** Another category is another stage; within one the lead stays where it is. */
function moved(l: Lead, e: Entry, to: Category | undefined, named: (category: Category) => string): Lead {
  if (!to || to === l.stage.category) return l
  const closed = to === 'won' || to === 'dropped'
  return { ...l, stage: { id: '', slug: '', name: named(to), category: to }, ...(closed ? { closed_at: l.closed_at ?? e.at, next_at: null, next_what: null, overdue: false } : { closed_at: null }) }
}
