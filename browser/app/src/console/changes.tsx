import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok } from '../lib/api'
import { span, when } from '../lib/format'
import { useMay } from '../lib/me'
import { purpose } from '../lib/session'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Icon } from '../ui/icon'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { useActor, useProjects, useRoles } from './data'
import { Part, Sorry } from './page'

/** A field's name for people; those that have none of their own say it as the interface does. */
export const fieldWords = (field: string) => tOf('console.changed', field.replaceAll('.', '-'))

type Name = (id: string) => string
interface Shift { weekday: number; start_minute: number; end_minute: number }
const minute = (m: number) => `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`
const isShift = (v: object): v is Shift => 'weekday' in v && 'start_minute' in v

/** A value as its page would say it, in a line. */
function say(v: unknown, name: Name): string {
  if (v === null || v === undefined || v === '') return t('console.changes.nothing')
  if (typeof v === 'boolean') return t(v ? 'console.changes.yes' : 'console.changes.no')
  if (Array.isArray(v)) return v.length ? v.map((x) => say(x, name)).join(', ') : t('console.changes.nothing')
  if (typeof v !== 'object') return name(String(v))
  if (isShift(v)) return `${tOf('console.day', 'd' + v.weekday)} ${minute(v.start_minute)}–${minute(v.end_minute)}`
  const o = v as Record<string, unknown>
  if ('at' in o && 'what' in o) return `${tOf('console.next', String(o.what))} · ${when(String(o.at))}`
  if ('version' in o) return `${String(o.name)} (${String(o.version)})`
  return Object.entries(o).map(([k, x]) => `${name(k)}: ${say(x, name)}`).join(', ') || t('console.changes.nothing')
}

/** What stood there, and what stands there since. */
export function WasNow({ field, was, now }: { field: string; was: unknown; now: unknown }) {
  const actor = useActor()
  const roles = useRoles()
  const projects = useProjects().data
  const name = (s: string) => {
    if (s.startsWith('user_')) return actor(s)
    if (s.startsWith('role_') || field === 'role' || field.startsWith('sign_in.')) return roles.name(s)
    if (field === 'state') return tOf('console.userState', s)
    if (field === 'project_id') return projects?.find((p) => p.id === s)?.name ?? s
    if (field === 'watch.mode') return tOf('console.rhythm.by', s)
    return field.endsWith('_ms') ? span(Number(s)) : s
  }
  return (
    <span className="wrap-anywhere">
      <del className="text-soft" dir="auto">{say(was, name)}</del>
      <Icon name="next" className="mx-1 inline size-3.5 align-[-2px] text-faint" />
      <ins className="text-ink no-underline" dir="auto">{say(now, name)}</ins>
    </span>
  )
}

/** On the page of a thing: who changed what of it, when, from what to what. What is personal opens on demand, on the record. */
export function Changes({ about, className }: { about: string; className?: string }) {
  const name = useActor()
  const [opened, open] = useState(false)
  const list = useInfiniteQuery({
    queryKey: ['changes', about, opened],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/changes', { params: { query: { about, limit: 8, cursor: pageParam, include: opened ? 'person' : undefined } }, headers: opened ? { 'Catchment-Purpose': purpose() } : {} })),
    getNextPageParam: (p) => p.next_cursor,
    placeholderData: (before) => before,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  return (
    <Part title={t('console.changes.title')} className={className} action={rows.some((r) => r.sealed) && <Button look="quiet" icon="lock" busy={list.isFetching} onClick={() => open(true)}>{t('console.changes.show')}</Button>}>
      {list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Rows n={3} /> : rows.length === 0 ? <p className="text-soft">{t('console.changes.none')}</p> : (
        <ul>
          {rows.map((c) => (
            <li key={c.id} className="border-b border-line py-2 text-sm">
              <span className="flex justify-between gap-3"><span className="min-w-0 font-medium">{fieldWords(c.field)}</span><When at={c.at} className="shrink-0 text-soft" /></span>
              <span className="block">{c.sealed ? <span className="text-soft">{t('console.changes.sealed')}</span> : <WasNow field={c.field} was={c.was} now={c.now} />}</span>
              <span className="block text-xs text-soft">{name(c.by)}</span>
            </li>
          ))}
        </ul>
      )}
      {list.hasNextPage && <Button look="quiet" className="mt-2 -ms-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.openings.more')}</Button>}
    </Part>
  )
}

/** In a lead's story: one change of its person, sealed until somebody asks. */
export function SealedChange({ lead, at, field }: { lead: string; at: string; field: string }) {
  const may = useMay()
  const [opened, open] = useState(false)
  const all = useQuery({
    queryKey: ['course', lead, 'opened'],
    enabled: opened,
    queryFn: () => ok(api.GET('/v1/leads/{id}/history', { params: { path: { id: lead }, query: { include: 'person' } }, headers: { 'Catchment-Purpose': purpose() } })).then((h) => h.changes),
  })
  const c = all.data?.find((x) => x.at === at && x.field === field)
  if (c && !c.sealed) return <WasNow field={field} was={c.was} now={c.now} />
  if (!may('persons:open') || c) return <>{t('console.changes.sealed')}</>
  return <Button look="quiet" icon="lock" className="-ms-3" busy={all.isFetching} onClick={() => open(true)}>{t('console.changes.show')}</Button>
}

/** The settings' own changes, by the account that somebody is signed in to. */
export function AccountChanges({ className }: { className?: string }) {
  const account = useQuery({ queryKey: ['account', 'own'], staleTime: Infinity, queryFn: () => ok(api.GET('/v1/account')) }).data
  return account ? <Changes about={account.id} className={className} /> : null
}
