import { expect, test } from 'vitest'
import { minorOf, spread } from './money'

test('a month is spread over its days, and nothing is lost', () => {
  const days = spread('2028-02', 100_01)
  expect(days).toHaveLength(29)
  expect(days[0]).toEqual({ day: '2028-02-01', minor: 345 })
  expect(days.at(-1)!.day).toBe('2028-02-29')
  expect(days.reduce((n, d) => n + d.minor, 0)).toBe(100_01)
  expect(spread('2026-12', 0).every((d) => d.minor === 0)).toBe(true)
})

test('an amount in the smallest unit of its currency', () => {
  expect(minorOf('125.5', 'EUR')).toBe(12550)
  expect(minorOf('125,50', 'EUR')).toBe(12550)
  expect(minorOf('1250', 'JPY')).toBe(1250)
  expect(minorOf('1.234', 'KWD')).toBe(1234)
  for (const bad of ['', '-1', '1.234', '1e3', '1,000.00']) expect(minorOf(bad, 'EUR'), bad).toBeNull()
  expect(minorOf('1', 'E')).toBeNull()
})
