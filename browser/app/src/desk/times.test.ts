import { expect, test } from 'vitest'
import { localInput, suggestions } from './times'

const ids = (at: string, soon: boolean) => suggestions(new Date(at), soon).map((s) => s.id)

test('times of a morning, an afternoon and a night', () => {
  expect(ids('2026-03-02T09:10:00', true)).toEqual(['quarter', 'hour', 'afternoon', 'tomorrow', 'threeDays', 'week'])
  expect(ids('2026-03-02T09:10:00', false)).toEqual(['hour', 'afternoon', 'tomorrow', 'threeDays', 'week'])
  expect(ids('2026-03-02T14:10:00', false)).toEqual(['hour', 'evening', 'tomorrow', 'threeDays', 'week'])
  expect(ids('2026-03-02T22:10:00', false)).toEqual(['hour', 'tomorrow', 'threeDays', 'week'])
})

test('none is past or a repeat, and they grow, at every minute of a day', () => {
  for (let m = 0; m < 24 * 60; m++) {
    const now = new Date(2026, 2, 28, 0, m, 31)
    for (const soon of [true, false]) {
      const at = suggestions(now, soon).map((s) => s.at.getTime())
      expect(at[0]! - now.getTime()).toBeGreaterThan(10 * 60_000)
      expect([...new Set(at)].sort((a, b) => a - b)).toEqual(at)
    }
  }
})

test('the field has the reader’s own time', () => {
  expect(localInput(new Date(2026, 0, 5, 7, 3))).toBe('2026-01-05T07:03')
})
