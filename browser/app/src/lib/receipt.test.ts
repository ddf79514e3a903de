// The vectors that every check in any language is held to.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { bytesOf, check, type Keys, type Receipt } from './receipt'

interface Vector {
  name?: string
  body: string
  receipt: Receipt | string
  fault: string
}
const file = JSON.parse(readFileSync(new URL('../../../../docs/receipt-vectors.json', import.meta.url), 'utf8')) as { keys_document: Keys; vectors: Vector[] }
const parsed = (r: Receipt | string) => {
  try {
    return typeof r === 'string' ? (JSON.parse(r) as Receipt) : r
  } catch {
    return null as unknown as Receipt
  }
}

test('there are vectors of each kind', () => {
  expect(new Set(file.vectors.map((v) => v.fault))).toEqual(new Set(['', 'form', 'key', 'signature', 'inclusion', 'body']))
})

// What is checked here was parsed already, so a member that stood twice cannot be seen.
const visible = file.vectors.filter((v) => v.name !== 'a repeated member')

test.each(visible.map((v, i) => [v.name ?? String(i), v] as const))('%s', async (_, v) => {
  const said = await check(parsed(v.receipt), file.keys_document, bytesOf(v.body)!)
  if (v.fault === '') expect(said).toBe('')
  else expect(said).not.toBe('')
})

test('another body, and a changed signature, are refused', async () => {
  const good = file.vectors.find((v) => v.fault === '')!
  const r = parsed(good.receipt)
  expect(await check(r, file.keys_document, new Uint8Array([1]))).toBe('body')
  const other = (r.signature[0] === 'A' ? 'B' : 'A') + r.signature.slice(1)
  expect(await check({ ...r, signature: other }, file.keys_document, bytesOf(good.body)!)).toBe('signature')
})
