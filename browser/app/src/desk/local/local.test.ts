import { expect, test } from 'vitest'
import type { Schemas } from '../../lib/api'
import { asIf } from './asif'
import type { Entry } from './state'

const lead = { id: 'lead_1', next_at: '2026-03-01T10:00:00Z', next_what: 'meet', overdue: true, attempted_at: null } as unknown as Schemas['Lead']
const entry = (kind: Entry['kind'], body: object, more: Partial<Entry> = {}): Entry => ({ id: 'k', at: '2026-03-02T10:00:00Z', kind, lead: 'lead_1', who: '', path: '/', body: { ...body }, ...more })
const next = { at: '2026-03-03T10:00:00Z', what: 'call' }

test('a follow-up that waits is shown, by whichever way it came', () => {
  for (const e of [entry('next', next), entry('attempt', { next }), entry('result', { next })]) {
    expect(asIf(lead, [e])).toMatchObject({ next_at: next.at, next_what: 'call', overdue: false })
  }
  expect(asIf(lead, [entry('next', { at: null })])).toMatchObject({ next_at: null, next_what: null })
  expect(asIf(lead, [entry('next', next), entry('next', { at: null })]).next_at).toBeNull() // in order
  expect(asIf(lead, [entry('attempt', { started_at: '2026-03-02T09:00:00Z' })])).toMatchObject({ attempted_at: '2026-03-02T09:00:00Z', next_at: lead.next_at })
})

test('what is another lead’s, a note, or refused changes nothing', () => {
  const refused = { status: 409, code: 'superseded', title: '' }
  expect(asIf(lead, [entry('note', { text: 'x' }), entry('next', next, { lead: 'lead_2' }), entry('next', next, { refused })])).toEqual(lead)
})
