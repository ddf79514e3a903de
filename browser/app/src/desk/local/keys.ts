// The key of the sealed database: made of the server's share and a secret of
// this device, so that neither opens it alone. The share is never stored; where
// the person's passkey makes keys (WebAuthn's prf), the database's key is
// stored wrapped under one, for unlocking without the server.
import type { Made } from '../../lib/passkey'
import { strongbox } from '../../lib/wipe'

/** What this device stores in clear. It opens nothing without the share or the passkey. */
export interface Device {
  user: string
  id: string
  /** HMAC, not extractable. */
  secret: CryptoKey
  /** How long the app may work alone, ms, and until when, by the server's clock. */
  span: number
  until: number
  /** The server's time at the last contact: a clock that is before it was turned back. */
  seen: number
  wrapped?: { iv: Uint8Array<ArrayBuffer>; key: ArrayBuffer; credential: ArrayBuffer; site: string }
}

const text = (s: string) => new TextEncoder().encode(s)

function box(): Promise<IDBDatabase> {
  return new Promise((good, bad) => {
    const r = indexedDB.open(strongbox, 1)
    r.onupgradeneeded = () => r.result.createObjectStore('device')
    r.onerror = () => bad(r.error)
    r.onsuccess = () => {
      r.result.onversionchange = () => r.result.close() // it is being deleted
      good(r.result)
    }
  })
}

async function inBox<T>(mode: IDBTransactionMode, f: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await box()
  try {
    return await new Promise<T>((good, bad) => {
      const tx = db.transaction('device', mode)
      const r = f(tx.objectStore('device'))
      tx.oncomplete = () => good(r.result)
      tx.onabort = tx.onerror = () => bad(tx.error)
    })
  } finally {
    db.close()
  }
}

export const device = () => inBox<Device | undefined>('readonly', (s) => s.get('me'))
export const remember = (d: Device) => inBox('readwrite', (s) => s.put(d, 'me'))

/** How many entries wait in what is sealed: a number, for whoever signs out while it is shut. */
export const noteUnsent = (n: number) => inBox('readwrite', (s) => s.put(n, 'unsent'))
export async function unsentOf(user: string | undefined): Promise<number> {
  const d = await device()
  return d && d.user === user ? ((await inBox<number | undefined>('readonly', (s) => s.get('unsent'))) ?? 0) : 0
}

/** A secret that this browser can use and not show. */
export const newSecret = () => crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']) as Promise<CryptoKey>

const derived = async (from: Uint8Array<ArrayBuffer>, salt: string, use: string) => {
  const k = await crypto.subtle.importKey('raw', from, 'HKDF', false, ['deriveBits'])
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: text(salt), info: text(use) }, k, 256))
}

/** HKDF-SHA256 (RFC 5869) over the share and the secret's HMAC of the device's id; share is base64url. */
export async function databaseKey(d: Pick<Device, 'id' | 'secret'>, share: string): Promise<Uint8Array<ArrayBuffer>> {
  const theirs = Uint8Array.from(atob(share.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
  if (theirs.length !== 32) throw new Error('a share has 32 bytes')
  const ours = new Uint8Array(await crypto.subtle.sign('HMAC', d.secret, text('catchment desk database v1\n' + d.id)))
  const both = new Uint8Array(64)
  both.set(theirs)
  both.set(ours, 32)
  const key = await derived(both, d.id, 'catchment desk database v1')
  for (const used of [theirs, ours, both]) used.fill(0)
  return key
}

async function wrapping(d: Pick<Device, 'id'>, made: Made) {
  const bits = await derived(new Uint8Array(made.secret), d.id, 'catchment desk unlock v1')
  return crypto.subtle.importKey('raw', bits, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

/** The device with the database's key wrapped under the passkey's. */
export async function wrap(d: Device, key: Uint8Array<ArrayBuffer>, made: Made): Promise<Device> {
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const wrapped = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: text(d.id) }, await wrapping(d, made), key)
  return { ...d, wrapped: { iv, key: wrapped, credential: made.credential, site: made.site } }
}

/** The database's key; undefined when it was wrapped under another. */
export async function unwrap(d: Device, made: Made): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (!d.wrapped) return undefined
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: d.wrapped.iv, additionalData: text(d.id) }, await wrapping(d, made), d.wrapped.key))
  } catch {
    return undefined
  }
}

/** Whether the time without the server is over; by the server's clock, as far as this device knows it. */
export const isOver = (d: Pick<Device, 'until' | 'seen'>, now: number) => now > d.until || now < d.seen - 10 * 60_000
