import { expect, test } from 'vitest'
import { type Device, databaseKey, isOver, newSecret, unwrap, wrap } from './keys'

const hex = (b: Uint8Array) => Buffer.from(b).toString('hex')
const share = (n: number) => Buffer.alloc(32, n).toString('base64url')

test('a key takes the share, the secret and the device: none of them alone', async () => {
  const raw = (n: number) => crypto.subtle.importKey('raw', new Uint8Array(32).fill(n), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const one = await raw(1)
  const key = hex(await databaseKey({ id: 'dev_1', secret: one }, share(7)))
  expect(key).toHaveLength(64)
  expect(hex(await databaseKey({ id: 'dev_1', secret: await raw(1) }, share(7)))).toBe(key)
  for (const other of [databaseKey({ id: 'dev_1', secret: one }, share(8)), databaseKey({ id: 'dev_2', secret: one }, share(7)), databaseKey({ id: 'dev_1', secret: await raw(2) }, share(7))]) {
    expect(hex(await other)).not.toBe(key)
  }
  await expect(databaseKey({ id: 'dev_1', secret: one }, Buffer.alloc(31).toString('base64url'))).rejects.toThrow()
})

test('the secret can be used, and not read', async () => {
  await expect(crypto.subtle.exportKey('raw', await newSecret())).rejects.toThrow()
})

test('what is wrapped under a passkey opens under that passkey alone, for its device alone', async () => {
  const d: Device = { user: 'user_1', id: 'dev_1', secret: await newSecret(), span: 1, until: 2, seen: 0 }
  const key = crypto.getRandomValues(new Uint8Array(32))
  const made = (n: number) => ({ secret: new Uint8Array(32).fill(n).buffer, credential: new ArrayBuffer(1), site: 'localhost' })
  const kept = await wrap(d, key, made(3))
  expect(hex((await unwrap(kept, made(3)))!)).toBe(hex(key))
  expect(await unwrap(kept, made(4))).toBeUndefined()
  expect(await unwrap({ ...kept, id: 'dev_2' }, made(3))).toBeUndefined()
  expect(await unwrap(d, made(3))).toBeUndefined()
  expect(hex(new Uint8Array(kept.wrapped!.key))).not.toContain(hex(key))
})

test('the time alone ends, also for a clock that was turned back', () => {
  const d = { seen: 1_000_000_000, until: 1_000_000_000 + 12 * 3_600_000 }
  expect(isOver(d, d.seen)).toBe(false)
  expect(isOver(d, d.until - 1)).toBe(false)
  expect(isOver(d, d.until + 1)).toBe(true)
  expect(isOver(d, d.seen - 9 * 60_000)).toBe(false)
  expect(isOver(d, d.seen - 11 * 60_000)).toBe(true)
})
