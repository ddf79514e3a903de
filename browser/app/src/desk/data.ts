// All that the desk reads and writes. Screens know only what is here. What is
// read goes through to what this device keeps while the server is away; what
// can be told later goes through the outbox.
import { useCallback } from 'react'
import { queryOptions, useMutation, useQuery } from '@tanstack/react-query'
import { api, ok, send, type Schemas } from '../lib/api'
import { serverNow } from '../lib/clock'
import { Fault, faultOf } from '../lib/fault'
import { setLook, through } from '../lib/kept'
import { type Me, meQuery } from '../lib/me'
import { queries } from '../lib/query'
import { purpose, session } from '../lib/session'
import { tOf } from '../lib/words'
import { sayFault } from '../ui/toast'
import { asIf, type Category } from './local/asif'
import { type Asked, dayAsked, type ListName, lists, named } from './lists'
import { type Entry, type Kind, local, useLocal } from './local/state'

// Loaded when it is first needed: with the first answer that does not come, or after the first screen.
export const keeper = () => import('./local/keeper')
setLook(async (key) => (await keeper()).kept(key))

export type Lead = Schemas['Lead']
export type Alarm = Schemas['Alarm']
type Listed = Schemas['LeadsOut']
export type Offer = Schemas['Offer']
export type Attempt = Schemas['Attempt']
export type Channel = Attempt['channel']
export type Disposition = Attempt['disposition']
export type Presence = Schemas['PresenceState']['state']
export type Next = Schemas['NextIn']

const stated = () => ({ 'Catchment-Purpose': purpose() })
const byId = (id: string) => ({ path: { id } })

function leadsOf(query: {
  list?: ReturnType<typeof dayAsked>['list']
  state?: 'waiting' | 'offered' | 'owned' | 'unrouted'
  owner?: string
  include?: 'person'[]
  limit: number
}) {
  return ok(api.GET('/v1/leads', { params: { query, header: query.include ? stated() : {} } }))
}

/**
 * One list of the day. With names it is an opening on the record, so only the
 * list that is looked at has them; as the first of the day it may be there.
 */
const dayQuery = (list: Asked, names: boolean) => {
  const first = () => (names && list !== 'first' && named(queries.getQueryData<Listed>(firstKey)?.list) === list ? firstKey : [])
  return queryOptions({
    queryKey: ['day', list, names],
    queryFn: ({ queryKey }) => through(queryKey, () => leadsOf(dayAsked(list, names, session.get()))),
    staleTime: 30_000,
    initialData: () => queries.getQueryData<Listed>(first()),
    initialDataUpdatedAt: () => queries.getQueryState(first())?.dataUpdatedAt,
  })
}
const firstKey = ['day', 'first', true]
export const useDay = (list: Asked, names: boolean, on = true) => useQuery({ ...dayQuery(list, names), select: useListed(), enabled: on })

/** Has the first day ready to be drawn, of what was asked before the app had arrived. */
export async function firstDay(asked: ListName | undefined) {
  await Promise.all([queries.prefetchQuery(meQuery), queries.prefetchQuery(dayQuery(asked ?? 'first', true)), ...lists.map((l) => queries.prefetchQuery(dayQuery(l, false)))])
}

/** One's own leads with their persons, newest first: what search looks through. */
export const useOwnLeads = (on: boolean) =>
  useQuery({
    select: useListed(),
    queryKey: ['day', 'all'],
    enabled: on,
    staleTime: 60_000,
    queryFn: ({ queryKey }) => through(queryKey, () => leadsOf({ include: ['person'], limit: 500, ...(session.get()?.role === 'salesperson' ? { state: 'owned' as const } : {}) })),
  })

export const useWaiting = () => useQuery({ queryKey: ['team', 'waiting'], queryFn: () => leadsOf({ state: 'waiting', limit: 100 }), refetchInterval: 20_000 })
export const useBoard = () => useQuery({ queryKey: ['team', 'board'], queryFn: () => ok(api.GET('/v1/board')), refetchInterval: 20_000 })
export const useAlarms = () =>
  useQuery({ queryKey: ['team', 'alarms'], queryFn: () => ok(api.GET('/v1/alarms', { params: { query: { state: 'raised', limit: 50 } } })), refetchInterval: 30_000 })

/** The offers that are open to oneself. The stream tells of each; asking is for when it is away. */
export const useOffers = (on: boolean) =>
  useQuery({ queryKey: ['offers'], enabled: on, queryFn: () => ok(api.GET('/v1/offers')), refetchInterval: 10_000, staleTime: 0 })

export const leadQuery = (id: string) => queryOptions({ queryKey: ['lead', id], queryFn: ({ queryKey }) => through(queryKey, () => ok(api.GET('/v1/leads/{id}', { params: { ...byId(id), header: stated() } }))) })
/** The lead, as it will be once the server has heard what waits here. */
export function useLead(id: string) {
  const overlay = useOverlay()
  return useQuery({ ...leadQuery(id), select: overlay })
}
const calledHere = (category: Category) => tOf('desk.category', category)
function useOverlay() {
  const { entries } = useLocal()
  return useCallback((l: Lead) => asIf(l, entries, calledHere), [entries])
}
const useListed = () => {
  const overlay = useOverlay()
  return useCallback(<P extends { items: Lead[] }>(p: P): P => ({ ...p, items: p.items.map(overlay) }), [overlay])
}

export interface Story {
  enquiries: Schemas['Enquiry'][]
  attempts: Attempt[]
  notes: Schemas['Note'][]
  history: Schemas['LeadHistory']
  visits: Schemas['SiteVisit'][]
  bookings: Schemas['Booking'][]
}

/** All that happened with a lead, with what the person wrote and what colleagues noted. */
export const useStory = (id: string) =>
  useQuery({
    queryKey: ['lead', id, 'story'],
    queryFn: ({ queryKey }) => through(queryKey, async (): Promise<Story> => {
      const params = { ...byId(id), header: stated() }
      const [enquiries, attempts, notes, history, visits, bookings] = await Promise.all([
        ok(api.GET('/v1/leads/{id}/enquiries', { params: { ...params, query: { include: ['message'], limit: 50 } } })),
        ok(api.GET('/v1/leads/{id}/attempts', { params: { ...byId(id), query: { limit: 100 } } })),
        ok(api.GET('/v1/leads/{id}/notes', { params: { ...params, query: { limit: 100 } } })),
        ok(api.GET('/v1/leads/{id}/history', { params: byId(id) })),
        ok(api.GET('/v1/leads/{id}/visits', { params: { ...params } })),
        ok(api.GET('/v1/leads/{id}/bookings', { params: byId(id) })),
      ])
      return { enquiries: enquiries.items, attempts: attempts.items, notes: notes.items, history, visits: visits.items, bookings: bookings.items }
    }),
  })

const again = (id: string) => {
  void queries.invalidateQueries({ queryKey: ['lead', id] })
  void queries.invalidateQueries({ queryKey: ['day'] })
}
const took = (lead: Lead) => queries.setQueryData<Lead>(['lead', lead.id], (old) => ({ ...lead, person: lead.person ?? old?.person }))

export function usePresence() {
  return useMutation({
    mutationFn: (state: Presence) => ok(api.PUT('/v1/me/presence', { body: { state } })),
    onMutate: (state) => {
      const before = queries.getQueryData<Me>(['me'])
      if (before) queries.setQueryData<Me>(['me'], { ...before, presence: state })
      return before
    },
    onError: (e, _, before) => {
      queries.setQueryData(['me'], before)
      sayFault(e)
    },
    onSuccess: (p) => queries.setQueryData<Me>(['me'], (me) => me && { ...me, presence: p.state, presence_since: p.since }),
  })
}

export const acceptOffer = (o: Offer) => ok(api.POST('/v1/offers/{id}/accept', { params: byId(o.id) }))
export const declineOffer = (o: Offer) => ok(api.POST('/v1/offers/{id}/decline', { params: byId(o.id), body: {} }))
/** A device has it; it was looked at. Neither is worth a word when it fails. */
export const ackOffer = (o: Offer) => ok(api.POST('/v1/offers/{id}/ack', { params: byId(o.id) })).catch(() => {})
export const seenOffer = (o: Offer) => ok(api.POST('/v1/offers/{id}/seen', { params: byId(o.id) })).catch(() => {})

export const beginAttempt = (id: string, channel: Channel) => ok(api.POST('/v1/leads/{id}/attempts/begin', { params: byId(id), body: { channel } }))
export const endAttempt = (attempt: string) => ok(api.POST('/v1/attempts/{id}/end', { params: byId(attempt), body: {} })).catch(() => {})

export interface Result {
  disposition: Disposition
  next?: Next
  note?: string
  stage?: Schemas['StageIn']
}

/** It was written down on this device, and is sent when the server is back. */
export const later = Symbol('later')
export type Told<R> = R | typeof later

interface Telling {
  kind: Kind
  lead: string
  path: string
  body: object
  instead?: Entry['instead']
}

/** Tells by way of the outbox, where this device has one. */
async function tell<R>({ kind, lead, path, body, instead }: Telling): Promise<Told<R>> {
  const at = new Date().toISOString() // by this device's clock; the server corrects it
  const entry: Entry = {
    id: crypto.randomUUID(),
    at,
    kind,
    lead,
    who: queries.getQueryData<Lead>(['lead', lead])?.person?.name ?? '',
    path,
    body: { ...body, happened_at: at },
    ...(instead ? { instead } : {}),
  }
  if (local.get().state.is === 'open') return ((await (await import('./local/outbox')).tell(entry)) as R | undefined) ?? later
  const answer = await send(path, entry.body, { 'Idempotency-Key': entry.id, 'Catchment-Clock': new Date().toISOString() })
  if (!answer.ok) throw await Fault.of(answer)
  return (await answer.json()) as R
}

/** The moment by this device's clock: what an attempt has is by the server's, as far as it is known. */
const ownTime = (at: string) => new Date(Date.parse(at) - (serverNow() - Date.now())).toISOString()

/** The result of an attempt that was begun here; one whose beginning did not get through, or that was given up meanwhile, is told whole. */
async function tellResult(lead: string, tried: { id?: string; channel: Channel; at: string }, result: Result): Promise<Told<Schemas['AttemptMade']>> {
  const path = `/v1/leads/${lead}/attempts`
  const begun = { channel: tried.channel, started_at: ownTime(tried.at) }
  const whole = () => tell<Schemas['AttemptMade']>({ kind: 'attempt', lead, path, body: { ...begun, ...result } })
  if (!tried.id) return whole()
  try {
    return await tell({ kind: 'result', lead, path: `/v1/attempts/${tried.id}/result`, body: result, instead: { path, begun } })
  } catch (e) {
    if (faultOf(e).status !== 404) throw e
    return whole()
  }
}

function useChange<V, R>(id: string, f: (v: V) => Promise<Told<R>>, done?: (r: R) => void) {
  return useMutation({
    mutationFn: f,
    onSuccess: (r) => {
      if (r === later) return
      done?.(r)
      again(id)
    },
    onError: sayFault,
  })
}

const lead = (id: string, what: string) => `/v1/leads/${id}/${what}`

export const useResult = (id: string) =>
  useChange(id, (v: { tried: { id?: string; channel: Channel; at: string }; result: Result }) => tellResult(id, v.tried, v.result), (r) => took(r.lead))
export const useNext = (id: string) => useChange(id, (body: Next) => tell<Lead>({ kind: 'next', lead: id, path: lead(id, 'next-action'), body }), took)
export const useNote = (id: string) => useChange(id, (text: string) => tell<Schemas['NoteMade']>({ kind: 'note', lead: id, path: lead(id, 'notes'), body: { text } }))
export const useStage = (id: string) => useChange(id, (body: Schemas['StageIn']) => tell<Lead>({ kind: 'stage', lead: id, path: lead(id, 'stage'), body }), took)
export const usePlan = (id: string) => useChange(id, (body: Schemas['PlanInBody']) => tell<Schemas['SiteVisit']>({ kind: 'visit', lead: id, path: lead(id, 'visits'), body }))
export const useVisit = (id: string) =>
  useChange(id, (v: { visit: string; state: 'done' | 'no-show' | 'cancelled' }) => tell<Schemas['SiteVisit']>({ kind: 'visited', lead: id, path: `/v1/visits/${v.visit}`, body: { state: v.state } }))
export const useBook = (id: string) => useChange(id, (body: Schemas['BookInBody']) => ok(api.POST('/v1/leads/{id}/bookings', { params: byId(id), body })))
export const useGiveBack = (id: string) => useChange(id, (note: string) => ok(api.POST('/v1/leads/{id}/handover', { params: byId(id), body: { pool: true, ...(note ? { note } : {}) } })))
export const useSuppress = (id: string, person: string) =>
  useChange(id, (evidence: string) => ok(api.POST('/v1/persons/{id}/suppress', { params: byId(person), body: { reason: 'asked-not-to', ...(evidence ? { evidence } : {}) } })))
export type Correction = Schemas['CorrectInBody']
export const useCorrect = (id: string, person: string) =>
  useMutation({
    mutationFn: (body: Correction) => ok(api.PATCH('/v1/persons/{id}', { params: { ...byId(person), header: stated() }, body })),
    onSuccess: () => {
      again(id)
      void queries.invalidateQueries({ queryKey: ['day'] })
    },
  })
export const useTransfer = () =>
  useMutation({
    mutationFn: (v: { lead: string; to: string }) => ok(api.POST('/v1/leads/{id}/transfer', { params: byId(v.lead), body: { to: v.to } })),
    onSuccess: (l) => {
      again(l.id)
      void queries.invalidateQueries({ queryKey: ['team'] })
    },
    onError: sayFault,
  })
export const useClearAlarm = () =>
  useMutation({
    mutationFn: (id: string) => ok(api.POST('/v1/alarms/{id}/clear', { params: byId(id) })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['team'] }),
    onError: sayFault,
  })
