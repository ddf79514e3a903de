// The worker with the desk's sealed database: SQLite in the origin's private
// file system, each page of the file in SQLCipher's format 4 (AES-256-CBC,
// HMAC-SHA512, a salt of its own). The key comes by message and stays in the
// memory of this worker. docs/decisions/0011-offline.md
import start, { type Database, type Sqlite3Static } from '@evolu/sqlite-wasm'
import { folder } from '../../lib/wipe'
import type { Answer, Ask, Opening, Rows, Statement } from './wire'

const scope = globalThis as unknown as { onmessage: (e: MessageEvent<Ask>) => void; postMessage(a: Answer): void }
const pool = 'opfs-sahpool'

let db: Database | undefined
let last: Promise<unknown> = Promise.resolve()

scope.onmessage = ({ data }) => {
  // One after the other: a transaction is not cut by the next question.
  last = last.then(async () => {
    try {
      scope.postMessage('open' in data ? { n: data.n, opening: await open(data.open) } : { n: data.n, rows: run(data.run) })
    } catch (e) {
      scope.postMessage({ n: data.n, fault: e instanceof Error ? e.name : 'unknown' }) // never the message: SQLite's may quote values
    }
  })
}

async function open(key: Uint8Array): Promise<Opening> {
  if (!navigator.storage?.getDirectory || !navigator.locks) return 'cannot'
  if (!(await alone())) return 'elsewhere'
  const sqlite = await start({ print() {}, printErr() {} }) // what goes wrong is told, not printed
  try {
    await released()
    await sqlite.installOpfsSAHPoolVfs({ name: pool, directory: folder, initialCapacity: 4, verbosity: 0 } as Parameters<Sqlite3Static['installOpfsSAHPoolVfs']>[0])
  } catch {
    return 'cannot'
  }
  if (sqlite.wasm.xWrap('sqlite3mc_vfs_create', 'int', ['string', 'int'])(pool, 0) !== 0) return 'cannot'
  const d = new sqlite.oo1.DB({ filename: '/desk.db', flags: 'c', vfs: 'multipleciphers-' + pool })
  const hex = [...key].map((b) => b.toString(16).padStart(2, '0')).join('')
  key.fill(0)
  d.exec(`PRAGMA cipher='sqlcipher'; PRAGMA legacy=4; PRAGMA key='raw:${hex}'`)
  try {
    d.exec('SELECT count(*) FROM sqlite_schema')
  } catch {
    d.close()
    return 'refused'
  }
  d.exec('PRAGMA temp_store=MEMORY; PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON')
  db = d
  return 'open'
}

/** Whether no other tab has it. The lock ends with this worker. */
function alone(): Promise<boolean> {
  return new Promise((go) => {
    // A page that was loaded anew waits a moment for the worker of the one before.
    const enough = new AbortController()
    const late = setTimeout(() => enough.abort(), 2500)
    navigator.locks
      .request(folder, { signal: enough.signal }, () => {
        clearTimeout(late)
        go(true)
        return new Promise(() => {})
      })
      .catch(() => go(false))
  })
}

/**
 * Waits until the worker before has let go of the files. The pool would take a
 * file that is still held for a broken one, and remove them all.
 */
async function released() {
  const root = await navigator.storage.getDirectory()
  for (let tries = 0; ; tries++) {
    try {
      const opaque = await (await root.getDirectoryHandle(folder)).getDirectoryHandle('.opaque')
      for await (const file of (opaque as unknown as { values(): AsyncIterable<{ createSyncAccessHandle(): Promise<{ close(): void }> }> }).values()) {
        ;(await file.createSyncAccessHandle()).close()
      }
      return
    } catch (e) {
      if ((e as DOMException).name === 'NotFoundError') return // the first time
      if (tries > 40) throw e
      await new Promise((go) => setTimeout(go, 75))
    }
  }
}

function run(statements: Statement[]): Rows[] {
  const d = db
  if (!d) throw new Error('closed')
  return d.transaction(() => statements.map(([sql, bind]) => d.exec({ sql, ...(bind?.length ? { bind } : {}), rowMode: 'array', returnValue: 'resultRows' }) as Rows))
}
