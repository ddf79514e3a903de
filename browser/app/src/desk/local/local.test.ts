import { expect, test } from 'vitest'
import type { Schemas } from '../../lib/api'
import { asIf } from './asif'
import type { Entry } from './state'

const lead = { id: 'lead_1', next_at: '2026-03-01T10:00:00Z', next_what: 'meet', overdue: true, attempted_at: null, closed_at: null, stage: { id: 'stage_1', slug: 'first', name: 'First call', category: 'new' } } as unknown as Schemas['Lead']
const entry = (kind: Entry['kind'], body: object, more: Partial<Entry> = {}): Entry => ({ id: 'k', at: '2026-03-02T10:00:00Z', kind, lead: 'lead_1', who: '', path: '/', body: { ...body }, ...more })
const as = (entries: Entry[]) => asIf(lead, entries, (category) => 'in ' + category)
const next = { at: '2026-03-03T10:00:00Z', what: 'call' }

test('a follow-up that waits is shown, by whichever way it came', () => {
  for (const e of [entry('next', next), entry('attempt', { next }), entry('result', { next })]) {
    expect(as([e])).toMatchObject({ next_at: next.at, next_what: 'call', overdue: false })
  }
  expect(as([entry('next', { at: null })])).toMatchObject({ next_at: null, next_what: null })
  expect(as([entry('next', next), entry('next', { at: null })]).next_at).toBeNull() // in order
  expect(as([entry('attempt', { started_at: '2026-03-02T09:00:00Z' })])).toMatchObject({ attempted_at: '2026-03-02T09:00:00Z', next_at: lead.next_at })
})

test('what is another lead’s, a note, or refused changes nothing', () => {
  const refused = { status: 409, code: 'superseded', title: '' }
  expect(as([entry('note', { text: 'x' }), entry('next', next, { lead: 'lead_2' }), entry('next', next, { refused })])).toEqual(lead)
})

test('a stage that waits is shown, by whichever way it came, and a closed lead has nothing next', () => {
  const dropped = as([entry('stage', { category: 'dropped', reason: 'not-now' })])
  expect(dropped).toMatchObject({ stage: { name: 'in dropped', category: 'dropped' }, closed_at: '2026-03-02T10:00:00Z', next_at: null, overdue: false })
  for (const kind of ['attempt', 'result'] as const) {
    expect(as([entry(kind, { stage: { category: 'follow-up' }, next })])).toMatchObject({ stage: { name: 'in follow-up' }, closed_at: null, next_at: next.at })
  }
  expect(as([entry('stage', { category: 'dropped' }), entry('stage', { category: 'follow-up' })])).toMatchObject({ stage: { category: 'follow-up' }, closed_at: null }) // in order
})

test('a stage of the category it is in, and a refused one, change nothing', () => {
  const refused = { status: 409, code: 'superseded', title: '' }
  expect(as([entry('stage', { category: 'new' }), entry('stage', { category: 'dropped' }, { refused })])).toEqual(lead)
})
