// The page's side of the sealed database: it starts the worker, hands it the
// key, and asks.
import { workerURL } from '../../lib/trusted'
import type { Answer, Opening, Rows, Statement } from './wire'

export interface Database {
  /** One transaction; the rows of each statement. It is on disk when this resolves. */
  run(...statements: Statement[]): Promise<Rows[]>
  /** Ends the worker, with the key in it. */
  close(): void
}

export const schema: Statement[] = [
  // An answer of the server as it was, by the question.
  ['CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, lead TEXT NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID'],
  ['CREATE INDEX IF NOT EXISTS kept_by_lead ON kept (lead)'],
  // What was done and the server has not heard of yet; seq is the order.
  ['CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, entry TEXT NOT NULL)'],
]

/** Takes the key, which is no more in the caller's hands afterwards. */
export async function openDatabase(key: Uint8Array<ArrayBuffer>): Promise<Database | Exclude<Opening, 'open'>> {
  const worker = new Worker(workerURL('desk'), { type: 'module', name: 'desk' })
  const waiting = new Map<number, { good(a: Answer): void; bad(e: Error): void }>()
  let n = 0
  // A worker that still writes while its page is taken down makes Chromium 156
  // read a null pointer, and the next page falls with it; one that was ended
  // before does not. A page that the browser kept for going back begins anew.
  const hide = () => {
    addEventListener('pageshow', (e) => e.persisted && location.reload(), { once: true })
    fail(new Error('the page was left'))
  }
  addEventListener('pagehide', hide)
  const end = () => {
    removeEventListener('pagehide', hide)
    worker.terminate()
  }
  const fail = (e: Error) => {
    end()
    for (const w of waiting.values()) w.bad(e)
    waiting.clear()
  }
  worker.onerror = () => fail(new Error('the worker ended'))
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    waiting.get(data.n)?.good(data)
    waiting.delete(data.n)
  }
  const ask = (what: { open: Uint8Array } | { run: Statement[] }, give: Transferable[] = []) =>
    new Promise<Answer>((good, bad) => {
      waiting.set(++n, { good, bad })
      worker.postMessage({ n, ...what }, give)
    })
  const run = async (...statements: Statement[]) => {
    const a = await ask({ run: statements })
    if ('rows' in a) return a.rows
    throw new Error('fault' in a ? a.fault : 'unexpected')
  }
  try {
    const a = await ask({ open: key }, [key.buffer])
    const opening = 'opening' in a ? a.opening : 'cannot'
    if (opening !== 'open') {
      end()
      return opening
    }
    await run(...schema)
  } catch {
    end()
    return 'cannot'
  }
  return { run, close: () => fail(new Error('closed')) }
}
