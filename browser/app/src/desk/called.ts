// A notification led here: to an offer that is open, which the screen of offers
// shows by itself, or to one that is over, which has to be said.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { api, ok } from '../lib/api'
import { onTold } from '../lib/worker'
import { queries } from '../lib/query'
import type { Offer } from './data'

/** The offer that a notification led to, when it cannot be answered any more. */
export function useCalled(): Offer | null {
  const id = (useSearch({ strict: false }) as { offer?: string }).offer
  const go = useNavigate()
  const [over, end] = useState<Offer | null>(null)
  useEffect(() => {
    if (!id) return
    void ok(api.GET('/v1/offers/{id}', { params: { path: { id } } }))
      .then(async (o) => {
        if (o.state === 'accepted') return go({ to: '/desk/leads/$id', params: { id: o.lead_id }, replace: true })
        if (o.state === 'expired' || o.state === 'lost') end(o)
        await queries.invalidateQueries({ queryKey: ['offers'] })
        return go({ to: '/desk', replace: true })
      })
      .catch(() => {}) // away: the list says so
  }, [id, go])
  return over
}

/** A push came while a page was open; what it is about is asked for at once. */
export function useTold() {
  useEffect(
    () =>
      onTold((m) => {
        if (m.kind === 'push') void queries.invalidateQueries({ queryKey: [m.about === 'offer' ? 'offers' : 'team'] })
      }),
    [],
  )
}
