// Checks a receipt offline, by the six steps of docs/receipt.md.

export interface Receipt {
  v: number
  id: string
  received_at: string
  sha256: string
  salt: string
  stream: string
  seq: number
  index: number
  size: number
  path: string[]
  root: string
  key_id: string
  signature: string
}
export interface Keys {
  keys: { key_id: string; algorithm: string; public_key: string; not_before: string; not_after?: string }[]
}
/** The step that refuses it; "" when all pass, and unsupported where the browser has no Ed25519. */
export type ReceiptFault = '' | 'form' | 'key' | 'signature' | 'inclusion' | 'body' | 'unsupported'

type Bytes = Uint8Array<ArrayBuffer>
const members = ['v', 'id', 'received_at', 'sha256', 'salt', 'stream', 'seq', 'index', 'size', 'path', 'root', 'key_id', 'signature']
const name = /^[A-Za-z0-9_.-]{1,64}$/
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Base64url without padding, its spare bits zero; null for anything else. */
export function bytesOf(text: unknown, length?: number): Bytes | null {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null
  const raw = atob(text.replace(/-/g, '+').replace(/_/g, '/'))
  const out = Uint8Array.from(raw, (c) => c.charCodeAt(0))
  const again = btoa(raw).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
  return again === text && (length === undefined || out.length === length) ? out : null
}

const ascii = (s: string): Bytes => Uint8Array.from(s, (c) => c.charCodeAt(0))
const whole = (n: unknown, least: number, most: number) => typeof n === 'number' && Number.isInteger(n) && n >= least && n <= most

function u64(n: number): Bytes {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(n))
  return out
}

function join(...parts: Bytes[]): Bytes {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

const sha256 = async (b: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest('SHA-256', b))
const same = (a: Bytes, b: Bytes) => a.length === b.length && a.every((x, i) => x === b[i])

const formed = (r: Receipt) =>
  !!r && typeof r === 'object' && Object.keys(r).length === members.length && members.every((m) => m in r) &&
  r.v === 1 && typeof r.id === 'string' && /^enq_[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(r.id) &&
  typeof r.received_at === 'string' && time.test(r.received_at) && new Date(r.received_at).toJSON() === r.received_at &&
  !!bytesOf(r.sha256, 32) && !!bytesOf(r.salt, 16) && !!bytesOf(r.root, 32) && !!bytesOf(r.signature, 64) &&
  typeof r.stream === 'string' && name.test(r.stream) && typeof r.key_id === 'string' && name.test(r.key_id) &&
  whole(r.size, 1, 2 ** 30) && whole(r.index, 0, r.size - 1) && whole(r.seq, 1, 2 ** 53 - 1) &&
  Array.isArray(r.path) && r.path.length <= 30 && r.path.every((p) => bytesOf(p, 32))

const leeway = 5 * 60_000

async function signed(r: Receipt, keys: Keys): Promise<ReceiptFault> {
  const k = keys.keys.find((x) => x.key_id === r.key_id)
  const at = Date.parse(r.received_at)
  const point = k && k.algorithm === 'Ed25519' ? bytesOf(k.public_key, 32) : null
  if (!k || !point || at < Date.parse(k.not_before) - leeway || (k.not_after && at > Date.parse(k.not_after) + leeway)) return 'key'
  let key: CryptoKey
  try {
    key = await crypto.subtle.importKey('raw', point, 'Ed25519', false, ['verify'])
  } catch {
    return 'unsupported'
  }
  const message = join(ascii('catchment-receipt-v1\n' + r.stream), u64(r.seq), u64(r.size), bytesOf(r.root)!)
  return (await crypto.subtle.verify('Ed25519', key, bytesOf(r.signature)!, message)) ? '' : 'signature'
}

/** RFC 9162, 2.1.3.2. */
async function included(r: Receipt): Promise<boolean> {
  let hash = await sha256(join(new Uint8Array([0]), bytesOf(r.salt)!, ascii(r.id), bytesOf(r.sha256)!, ascii(r.received_at)))
  let fn = r.index
  let sn = r.size - 1
  for (const text of r.path) {
    const p = bytesOf(text)!
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      hash = await sha256(join(new Uint8Array([1]), p, hash))
      while (fn % 2 === 0 && fn !== 0) {
        fn >>= 1
        sn >>= 1
      }
    } else hash = await sha256(join(new Uint8Array([1]), hash, p))
    fn >>= 1
    sn >>= 1
  }
  return sn === 0 && same(hash, bytesOf(r.root)!)
}

/** Whether the receipt is genuine, by these keys and for this body. */
export async function check(r: Receipt, keys: Keys, body: Bytes): Promise<ReceiptFault> {
  if (!formed(r)) return 'form'
  if (!globalThis.crypto?.subtle) return 'unsupported'
  const fault = await signed(r, keys)
  if (fault) return fault
  if (!(await included(r))) return 'inclusion'
  return same(await sha256(body), bytesOf(r.sha256)!) ? '' : 'body'
}
