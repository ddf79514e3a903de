// Notifications of this browser: its subscription with its push service, and
// the server's word of where pushes go. Permission is asked for only where
// somebody has just pressed a button that says what it is for.
import { api, ok } from './api'
import { decline } from './declined'
import { session } from './session'

/** 'home': this browser has notifications only for an app on the home screen; 'blocked': its user said no. */
export type Ability = 'can' | 'home' | 'blocked' | 'none'

const apple = () => /iPhone|iPad/.test(navigator.userAgent) || (navigator.platform === 'MacIntel' && navigator.maxTouchPoints > 1)
export const installed = () => matchMedia('(display-mode: standalone)').matches || (navigator as { standalone?: boolean }).standalone === true

export function ability(): Ability {
  if (!('serviceWorker' in navigator) || !isSecureContext) return 'none'
  if (!('PushManager' in window) || !('Notification' in window)) return apple() && !installed() ? 'home' : 'none'
  return Notification.permission === 'denied' ? 'blocked' : 'can'
}

/** Why notifications could not be turned on. */
export class NoPush extends Error {
  constructor(readonly why: 'refused' | 'unreachable') {
    super(why)
  }
}

// Whose they are here, so that they come back after the next sign-in of the same person.
const place = 'catchment.push'
interface Wish {
  user: string
  alarms: boolean
}
function wish(): Wish | null {
  try {
    const w = JSON.parse(localStorage.getItem(place) ?? 'null') as Wish | null
    return w?.user === session.get()?.user_id ? w : null
  } catch {
    return null
  }
}

/** Whether this person has turned them on here. */
export const wanted = () => wish() !== null

/** pushManager.subscribe does not answer at all where its service is out of reach. */
const limited = <T>(what: Promise<T>, ms = 15_000): Promise<T> =>
  Promise.race([what, new Promise<never>((_, no) => setTimeout(() => no(new NoPush('unreachable')), ms))])

const bytes = (text: string) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
const same = (a: ArrayBuffer | null | undefined, b: Uint8Array) => !!a && a.byteLength === b.length && new Uint8Array(a).every((x, i) => x === b[i])

async function subscribe(): Promise<PushSubscriptionJSON> {
  const key = bytes((await ok(api.GET('/v1/push/key'))).key)
  const registration = await limited(navigator.serviceWorker.ready)
  const had = await registration.pushManager.getSubscription()
  if (had && same(had.options.applicationServerKey, key)) return had.toJSON()
  await had?.unsubscribe() // of another server's key
  try {
    const made = await limited(registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }))
    return made.toJSON()
  } catch (e) {
    throw e instanceof NoPush ? e : new NoPush(e instanceof DOMException && e.name === 'NotAllowedError' ? 'refused' : 'unreachable')
  }
}

/** Has offers, and alarms where wanted, pushed to this browser; call it from a press. */
export async function turnOn(alarms: boolean) {
  if ((await Notification.requestPermission()) !== 'granted') throw new NoPush('refused')
  return put(alarms)
}

async function put(alarms: boolean) {
  const s = await subscribe()
  const subscription = { endpoint: s.endpoint ?? '', keys: { p256dh: s.keys?.p256dh ?? '', auth: s.keys?.auth ?? '' } }
  const said = await ok(api.PUT('/v1/me/push', { body: { subscription, alarms } }))
  localStorage.setItem(place, JSON.stringify({ user: session.get()?.user_id, alarms } satisfies Partial<Wish>))
  return said
}

export async function turnOff() {
  localStorage.removeItem(place)
  decline('push') // who turns them off is not asked at once
  const said = await ok(api.DELETE('/v1/me/push'))
  const registration = await navigator.serviceWorker.getRegistration('/app/')
  await (await registration?.pushManager.getSubscription())?.unsubscribe()
  return said
}

/** Notifications that were on here come back for the session of now: a sign-out ended them, or the push service. */
export async function comeBack() {
  const want = wish()
  if (!want || ability() !== 'can' || Notification.permission !== 'granted') return
  try {
    const registration = await limited(navigator.serviceWorker.ready)
    const [said, has] = await Promise.all([ok(api.GET('/v1/me/push')), registration.pushManager.getSubscription()])
    if (!said.subscribed || !has) await put(want.alarms)
  } catch {
    // the profile shows that they are off
  }
}

/** Takes notifications of offers away that are answered elsewhere, or seen on the screen now. */
export async function tidy(open: Set<string>) {
  const registration = await navigator.serviceWorker?.getRegistration('/app/').catch(() => undefined)
  for (const n of (await registration?.getNotifications()) ?? []) {
    const { kind, id } = (n.data ?? {}) as { kind?: string; id?: string }
    if (kind === 'offer' && (document.visibilityState === 'visible' || !open.has(id ?? ''))) n.close()
  }
}
