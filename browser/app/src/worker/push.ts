// Pushes. One holds an id and a kind, so that is all a notification can show;
// what it is about, the page asks for once it is open. Each is acknowledged: it
// counts as a device that answered, and its answer says whether the offer is
// still open.
import { say } from './say'
import { worker } from './scope'
import { wipe } from './wipe'

interface Push {
  kind: string
  id: string
  ack: string
}
interface Answer {
  open: boolean
  expires_at: string | null
}

/** The server's push, or nothing where it is none. */
export function readPush(text: string | undefined): Push | undefined {
  try {
    const p = JSON.parse(text ?? '') as Partial<Push> | null
    if (typeof p?.kind === 'string' && typeof p.id === 'string' && typeof p.ack === 'string') return { kind: p.kind, id: p.id, ack: p.ack }
  } catch {
    // not ours
  }
  return undefined
}

const tagOf = (p: Push) => `${p.kind}:${p.id}`

/** Every push shows something, as browsers ask; one for a page that is looked at is the page's to show. */
export async function pushed(text: string | undefined) {
  const p = readPush(text) ?? { kind: 'other', id: '', ack: '' }
  const pages = await worker.clients.matchAll({ type: 'window' })
  for (const page of pages) page.postMessage({ kind: 'push', about: p.kind, id: p.id })
  const looked = pages.some((page) => page.visibilityState === 'visible')
  if (p.kind === 'wipe') return void (await Promise.all([wipe(), acknowledge(p), show(p)]))
  if (looked && p.kind !== 'test') return void (await acknowledge(p))
  const [answer] = await Promise.all([acknowledge(p), show(p)])
  if (p.kind === 'offer' && answer) await follow(p, answer)
}

async function show(p: Push, answer?: Answer) {
  const { title, words, dir, lang } = await say(p.kind, answer && { open: answer.open, until: answer.expires_at ?? undefined })
  const more = { vibrate: p.kind === 'offer' && !answer ? [160, 80, 160] : undefined, renotify: false }
  await worker.registration.showNotification(title, {
    body: words,
    tag: tagOf(p),
    icon: '/app/icon-192.png',
    badge: '/app/badge-96.png',
    dir,
    lang,
    silent: !!answer, // it was told already
    requireInteraction: p.kind === 'offer' && (!answer || answer.open),
    data: { kind: p.kind, id: p.id },
    ...more,
  })
}

async function acknowledge(p: Push): Promise<Answer | undefined> {
  if (!p.ack) return undefined
  for (let tries = 0; tries < 3; tries++) {
    try {
      const said = await fetch('/v1/push/acks', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() },
        body: JSON.stringify({ ack: p.ack }),
        credentials: 'omit',
        cache: 'no-store',
        signal: AbortSignal.timeout(8000),
      })
      if (said.ok) return (await said.json()) as Answer
      if (said.status !== 503 && said.status !== 429) return undefined
    } catch {
      // no signal: once more, soon
    }
    await pause(1000 << tries)
  }
  return undefined
}

const pause = (ms: number) => new Promise((go) => setTimeout(go, ms))
const looking = 5000

/**
 * Goes with the offer to its end: says until when it is open, and takes the
 * notification away when it is over. Browsers let a push work for about a
 * minute and a half, and most offers last less; a longer one's stays.
 */
async function follow(p: Push, answer: Answer) {
  await show(p, answer)
  const most = Date.now() + 75_000
  while (answer.open && Date.now() < most) {
    const left = answer.expires_at ? Date.parse(answer.expires_at) - Date.now() : looking
    await pause(Math.max(250, Math.min(looking, left + 250)))
    if (!(await shown(p)).length) return // it was tapped, or swept away
    const now = await acknowledge(p)
    if (!now) return
    answer = now
  }
  if (answer.open) return
  for (const n of await shown(p)) n.close()
}

const shown = (p: Push) => worker.registration.getNotifications({ tag: tagOf(p) })

/** Where a notification leads. */
function addressOf(kind: string, id: string): string {
  if (kind === 'offer') return '/app/desk?offer=' + encodeURIComponent(id)
  if (kind === 'alarm') return '/app/desk/team'
  if (kind === 'test') return '/app/me'
  return '/app/'
}

/** A tap: the app that is open comes to the front and goes there, or is opened there. */
export async function tapped(n: Notification) {
  n.close()
  const { kind = '', id = '' } = (n.data ?? {}) as { kind?: string; id?: string }
  const pages = await worker.clients.matchAll({ type: 'window' })
  const page = pages.find((c) => c.focused) ?? pages[0]
  if (!page) return void (await worker.clients.openWindow(addressOf(kind, id)))
  page.postMessage({ kind: 'open', about: kind, id })
  await page.focus().catch(() => {})
}
