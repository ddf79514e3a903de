import { hashKey } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { follow, type Happened, useHappened } from '../lib/events'
import { isKept } from '../lib/kept'
import type { Me } from '../lib/me'
import { comeBack } from '../lib/push'
import { queries } from '../lib/query'
import { session } from '../lib/session'

/** Where the stream goes on from what the screen shows: the server says it with who one is, and the lists are asked for after that. */
function begun() {
  const me = queries.getQueryState<Me>(['me'])
  return me?.data && !isKept(hashKey(['me'])) && Date.now() - me.dataUpdatedAt < 60_000 ? me.data.events_from : undefined
}

// Whether somebody was elsewhere in the app, where nobody followed.
let left = false

/** Follows what happens, and has the screens read anew what it changed. */
export function useLive() {
  useEffect(() => {
    if (left) void queries.invalidateQueries()
    return () => void (left = true)
  }, [])
  useEffect(() => follow(begun()), [])
  useEffect(() => {
    const soon = setTimeout(() => void comeBack(), 3000) // after what the screen needs
    return () => clearTimeout(soon)
  }, [])
  const soon = useSoon()
  useHappened((e) => {
    const me = session.get()?.user_id
    if (e.kind === 'reset') return void queries.invalidateQueries()
    if (e.kind === 'session.ended') return void queries.invalidateQueries({ queryKey: ['me'] })
    if (e.kind.startsWith('offer.') && e.user_id === me) void queries.invalidateQueries({ queryKey: ['offers'] })
    if (e.kind === 'presence.changed' && e.user_id === me) soon('me')
    if (e.lead_id && queries.getQueryState(['lead', e.lead_id])) soon('lead', e.lead_id)
    if (concernsDay(e)) soon('day')
    soon('team')
  })
}

const concernsDay = (e: Happened) => /^(lead\.|person\.(corrected|erased)|attempt\.made|offer\.accepted|visit\.|enquiry\.attached)/.test(e.kind)

/** Several events at once are one reading. */
function useSoon() {
  const waiting = useRef(new Map<string, string[]>())
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return (...key: string[]) => {
    waiting.current.set(key.join(' '), key)
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      for (const k of waiting.current.values()) void queries.invalidateQueries({ queryKey: k })
      waiting.current.clear()
    }, 400)
  }
}
