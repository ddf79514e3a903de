// Each code with which the server may end what a screen asked has words here.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import words from './words.en.json'

const house = (dir: string) => new URL(`../../../../${dir}`, import.meta.url).pathname
// What only programs meet: doors for keys, the gateways' answers, the operator's record; a key that a test presses.
const elsewhere = /^(capture|submission|edge|courier|audit|demo|app\/apptest)\//
const sourcesOf = (dir: string) =>
  readdirSync(house(dir), { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.go') && !f.endsWith('_test.go'))
    .map((f) => ({ f, text: readFileSync(join(house(dir), f), 'utf8') }))
const sources = sourcesOf('internal')
const raised = /\b(?:Unreadable|Forbidden|Conflict|TooLarge|Busy|TooMany|bad|wrongKind|fullUp)\("(\w+)"|InvalidField\([^,\n]+, *"(\w+)"|Code: *"(\w+)"|Field\{[^{}\n]*?"(\w+)", *"[A-Z]/g
const codes = (text: string) => [...text.matchAll(raised)].map((m) => m[1] ?? m[2] ?? m[3] ?? m[4]!)
const known = Object.keys(words.faults.code)

test('every code that a screen can show has words', () => {
  const met = new Set(sources.filter(({ f }) => !elsewhere.test(f)).flatMap(({ text }) => codes(text)))
  expect(met.size).toBeGreaterThan(100)
  expect([...met].filter((c) => !known.includes(c))).toEqual([])
})

test('no words are for a code that the server does not have', () => {
  const all = [...sources, ...sourcesOf('cmd')].map(({ text }) => text).join('\n')
  expect(known.filter((c) => !all.includes(`"${c}"`))).toEqual([])
})

test('the search finds a code', () => expect(codes('return problem.Conflict("no_such_code", "Never.")')).toEqual(['no_such_code']))
