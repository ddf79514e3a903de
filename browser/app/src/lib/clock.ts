// Time as the server has it: a phone's clock may be minutes off, and an offer
// lasts less than one.
import { useSyncExternalStore } from 'react'

let ahead = 0 // server − device, ms
let best = Infinity

/** Date has whole seconds; a difference below two says nothing. */
export function noteServerTime(date: string | null) {
  if (!date) return
  const off = Date.parse(date) + 500 - Date.now()
  if (Number.isNaN(off)) return
  if (Math.abs(off) < 2000) {
    ahead = 0
    best = 0
  } else if (Math.abs(off) <= best || Math.abs(off - ahead) > 5000) {
    ahead = off
    best = Math.abs(off)
  }
}

export const serverNow = () => Date.now() + ahead

// One ticker for all that counts on the screen, so that figures turn together.
const waiting = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined
let tick = serverNow()

function subscribe(f: () => void) {
  waiting.add(f)
  timer ??= setInterval(() => {
    tick = serverNow()
    for (const g of waiting) g()
  }, 250)
  return () => {
    waiting.delete(f)
    if (waiting.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** The server's time now, in steps of the given length (ms); the component is drawn again at each. */
export function useNow(step = 1000): number {
  return useSyncExternalStore(subscribe, () => Math.floor((timer ? tick : serverNow()) / step) * step)
}
