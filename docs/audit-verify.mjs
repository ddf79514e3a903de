// Verifies an exported record: node audit-verify.mjs RECORD KEYS [CHECKPOINT…]
// Written from docs/audit.md alone; needs nothing but Node. Exit 0: nothing was
// altered, dropped or reordered. Prints what is wrong, a line each.
import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'

const sha = (...parts) => parts.reduce((h, p) => h.update(p), createHash('sha256')).digest()
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b }
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b }
const text = (s) => { const b = Buffer.from(s, 'utf8'); return Buffer.concat([u32(b.length), b]) }
const bytes = (s, n) => {
  const b = Buffer.from(s ?? '', 'base64url')
  if (b.length !== n || b.toString('base64url') !== s) throw new Error(`not base64url of ${n} bytes`)
  return b
}
const ZERO = Buffer.alloc(32)
const FORMAT = 'catchment-record-v1'

const payloadHash = (e) => sha(bytes(e.salt, 16), ...[e.actor, e.action, e.purpose, e.about, e.detail].map(text))
const leafOf = (account, e, payload) =>
  sha(Buffer.from([0]), FORMAT + '\n', ...[account, e.id, e.at, e.writer].map(text), u64(e.n), bytes(e.prev, 32), payload)

class Tree {
  constructor(size, peaks) {
    this.size = size
    this.peaks = peaks // of perfect subtrees, from the left
  }
  append(leaf) {
    let h = leaf
    for (let n = this.size; n % 2 === 1; n = (n - 1) / 2) h = sha(Buffer.from([1]), this.peaks.pop(), h)
    this.peaks.push(h)
    this.size++
  }
  root() {
    if (this.size === 0) return sha('')
    return this.peaks.reduceRight((right, left) => sha(Buffer.from([1]), left, right))
  }
}

function parseKeys(json) {
  return JSON.parse(json).keys.map((k) => {
    if (k.algorithm !== 'Ed25519') throw new Error('a key of another algorithm')
    const raw = bytes(k.public_key, 32)
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw])
    return {
      hash: sha('catchment-record\n', Buffer.from([1]), raw).subarray(0, 4),
      key: createPublicKey({ key: der, format: 'der', type: 'spki' }),
      from: Date.parse(k.not_before) - 300000,
      until: k.not_after ? Date.parse(k.not_after) + 300000 : Infinity,
    }
  })
}

function openCheckpoint(note, keys) {
  const cut = note.indexOf('\n\n')
  if (cut < 0) throw new Error('not a note')
  const body = note.slice(0, cut + 1)
  const m = /^catchment-record-v1\/(\S+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\ntime (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\n$/.exec(body)
  if (!m) throw new Error('not a checkpoint')
  const at = Date.parse(m[4])
  for (const line of note.slice(cut + 2).split('\n')) {
    const s = /^\u2014 catchment-record ([A-Za-z0-9+/]+=*)$/.exec(line)
    if (!s) continue
    const sig = Buffer.from(s[1], 'base64')
    const good = keys.some((k) => k.hash.equals(sig.subarray(0, 4)) && at >= k.from && at <= k.until && verify(null, Buffer.from(body), k.key, sig.subarray(4)))
    if (good) return { account: m[1], size: Number(m[2]), root: Buffer.from(m[3], 'base64'), at: m[4] }
  }
  throw new Error('no published key signed it in its time')
}

function verifyRecord(lines, keys, outside) {
  const faults = []
  const wrong = (s) => faults.push(s)
  const chains = new Map()
  let begun, tree, stored, ended, broken = false, altered = 0, signed = 0, last, seen = 0, strays = 0
  const kept = []

  const compare = (c, where) => {
    if (broken || tree.root().equals(c.root)) return
    broken = true
    if (altered && stored.root().equals(c.root)) wrong(`positions ${signed} to ${c.size - 1}: only what is named above was altered`)
    else wrong(`positions ${signed} to ${c.size - 1}: altered, dropped, added or reordered: not what the checkpoint ${where}of ${c.at} has signed`)
  }
  const append = (position, leaf, says) => {
    if (position !== tree.size) throw new Error(`position ${position} stands where position ${tree.size} should`)
    if (seen++ === 0 && begun.from > 0 && last?.size !== begun.from) wrong(`nothing that is signed says what came before position ${begun.from}`)
    tree.append(leaf)
    stored.append(says)
    for (const c of kept) if (c.size === tree.size) compare(c, 'kept elsewhere ')
  }
  const entry = (e, payload) => {
    const leaf = leafOf(begun.account, e, payload)
    const says = bytes(e.leaf, 32)
    if (!leaf.equals(says)) { altered++; wrong(`position ${e.position}: ${e.id} of ${e.at} was altered`) }
    if (e.writer !== '') {
      const before = chains.get(e.writer)
      const prev = bytes(e.prev, 32)
      chains.set(e.writer, { n: e.n, leaf, says })
      if (!before && !(e.n === 1 && prev.equals(ZERO)) && !(e.n > 1 && begun.from > 0)) wrong(`position ${e.position}: the chain of ${e.writer} begins with entry ${e.n}`)
      else if (before && e.n > before.n + 1) wrong(`position ${e.position}: in the chain of ${e.writer} entries ${before.n + 1} to ${e.n - 1} are missing`)
      else if (before && e.n <= before.n) wrong(`position ${e.position}: the chain of ${e.writer} is out of order`)
      else if (before && !prev.equals(before.leaf) && !prev.equals(before.says)) wrong(`position ${e.position}: ${e.id} does not continue its chain`)
    }
    append(e.position, leaf, says)
  }
  const checkpoint = (note) => {
    let c
    try { c = openCheckpoint(note, keys) } catch (err) { return wrong(`at position ${tree.size}: a checkpoint that does not verify: ${err.message}`) }
    if (c.account !== begun.account) return wrong(`at position ${tree.size}: a checkpoint of another account`)
    if (c.size > begun.size && tree.size === begun.size) return wrong(`the record was cut: the checkpoint of ${c.at} has signed ${c.size} entries, it has ${begun.size}`)
    if (c.size !== tree.size) return wrong(`at position ${tree.size}: a checkpoint of ${c.size} entries`)
    if (last && c.at < last.at) wrong(`at position ${tree.size}: a checkpoint older than the one before it`)
    compare(c, '')
    ;[last, signed, altered] = [c, c.size, 0]
  }

  for (const [i, line] of lines.entries()) {
    try {
      const e = JSON.parse(line)
      if (ended || !begun === (e.kind !== 'begin')) throw new Error(`a line of kind ${e.kind} cannot stand here`)
      if (e.kind === 'begin') {
        if (e.format !== FORMAT || !e.account || !(e.size >= e.from)) throw new Error('not a record of this format')
        const peaks = () => e.peaks.map((p) => bytes(p, 32))
        if (peaks().length !== [...BigInt(e.from).toString(2)].filter((b) => b === '1').length) throw new Error('not the hashes of a tree of this size')
        ;[begun, tree, stored] = [e, new Tree(e.from, peaks()), new Tree(e.from, peaks())]
        for (const note of outside) {
          try {
            const c = openCheckpoint(note, keys)
            if (c.account !== e.account) continue
            if (c.size > e.size) wrong(`the record was cut: a checkpoint of ${c.at} has signed ${c.size} entries, it has ${e.size}`)
            else kept.push(c)
          } catch (err) { wrong(`a checkpoint from outside: ${err.message}`) }
        }
      } else if (e.kind === 'entry') entry(e, payloadHash(e))
      else if (e.kind === 'dropped') entry(e, bytes(e.payload, 32))
      else if (e.kind === 'missing') {
        wrong(`position ${e.position}: ${e.id} is gone`)
        altered++
        append(e.position, bytes(e.leaf, 32), bytes(e.leaf, 32))
      } else if (e.kind === 'stray') { strays++; wrong(`${e.id} of ${e.at} stands in the database and in no tree`) }
      else if (e.kind === 'checkpoint') checkpoint(e.note)
      else if (e.kind === 'end') {
        ended = true
        if (tree.size !== begun.size || e.entries !== seen || e.strays !== strays) wrong('the file is cut: its counts are not what it has')
        else if (begun.size > 0 && last?.size !== begun.size) wrong(`the last ${begun.size - signed} entries are under no checkpoint`)
      } else throw new Error(`the kind ${e.kind} is not known`)
    } catch (err) {
      wrong(`line ${i + 1}: ${err.message}`)
      return faults
    }
  }
  if (!ended) wrong('the file is cut: it has no end')
  return faults
}

const [record, keyFile, ...notes] = process.argv.slice(2)
const lines = readFileSync(record, 'utf8').split('\n').filter((l) => l !== '')
const faults = verifyRecord(lines, parseKeys(readFileSync(keyFile, 'utf8')), notes.map((f) => readFileSync(f, 'utf8')))
for (const f of faults) console.log('WRONG:', f)
if (faults.length === 0) console.log('valid')
process.exit(faults.length === 0 ? 0 : 1)
