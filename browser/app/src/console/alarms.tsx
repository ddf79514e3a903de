import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useRef } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { dayName } from '../lib/format'
import { useListKeys } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Icon } from '../ui/icon'
import { Rows } from '../ui/skeleton'
import { Tabs } from '../ui/tabs'
import { Ago, When } from '../ui/time'
import { sayFault } from '../ui/toast'
import { useFresh, useProjects } from './data'
import { Page, Part, Sorry } from './page'
import { lasted } from './story'

const here = getRouteApi('/inside/console/alarms')

/** Where time ran out: what, since when, and where to act. */
export function Alarms() {
  const { state = 'raised' } = here.useSearch()
  const go = useNavigate()
  const may = useMay()
  const box = useRef<HTMLDivElement>(null)
  useFresh(/^(alarm|lead)\./, ['alarms'], ['board'])
  useListKeys(box, { next: t('console.alarm.next'), before: t('console.alarm.before') })
  return (
    <Page title={t('console.nav.alarms')} words={t('console.alarm.words')}>
      {may('reports:read') && state === 'raised' && <Queues />}
      <Tabs
        label={t('console.nav.alarms')}
        className="-mx-3"
        value={state}
        onChange={(v) => void go({ to: '/console/alarms', search: (s) => ({ project: s.project, state: v === 'raised' ? undefined : v }), replace: true })}
        tabs={(['raised', 'cleared'] as const).map((value) => ({ value, label: t(`console.alarm.tab.${value}`) }))}
      >
        <div ref={box} className="px-3"><List key={state} state={state} /></div>
      </Tabs>
    </Page>
  )
}

/** Projects whose leads nobody takes. */
function Queues() {
  const board = useQuery({ queryKey: ['board'], queryFn: () => ok(api.GET('/v1/board')) })
  const queued = board.data?.projects.filter((p) => p.queued > 0) ?? []
  if (!queued.length) return null
  return (
    <Part title={t('console.alarm.queues')} className="mb-8">
      <ul>
        {queued.map((p) => (
          <li key={p.id} className="border-b border-line">
            <Link to="/console/leads" search={{ project: p.id, state: 'waiting' }} className="flex min-h-11 items-center gap-3 text-sm hover:bg-hover md:-mx-2 md:px-2">
              <Icon name="warn" className="size-4.5 text-warm" />
              <span className="min-w-0 flex-1 truncate font-medium">{p.name}</span>
              <span className="figures">{t('console.alarm.queued', { count: p.queued })}</span>
              {p.oldest_waiting_ms != null && <span className="figures w-24 text-end text-warm">{lasted(p.oldest_waiting_ms)}</span>}
            </Link>
          </li>
        ))}
      </ul>
    </Part>
  )
}

function List({ state }: { state: 'raised' | 'cleared' }) {
  const list = useInfiniteQuery({
    queryKey: ['alarms', 'list', state],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/alarms', { params: { query: { state, limit: 50, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  if (list.isError && !list.data) return <Sorry error={list.error} again={() => void list.refetch()} />
  if (list.isPending) return <Rows n={5} tall />
  if (!rows.length) return <Empty title={t(`console.alarm.none.${state}`)} words={t('console.alarm.noneWords')} />
  return (
    <>
      <ul>{rows.map((a) => <One key={a.id} a={a} />)}</ul>
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
    </>
  )
}

/** What the alarm is, in words; one of the account's with its figures. */
function Words({ a }: { a: Schemas['Alarm'] }) {
  if (a.kind === 'clock') return tOf('console.alarm.clock', a.clock ?? '')
  return tOf('console.alarm.kind', a.kind)
}

function One({ a }: { a: Schemas['Alarm'] }) {
  const may = useMay()
  const project = useProjects(!!may('setup:read')).data?.find((p) => p.id === a.project_id)?.name
  const clear = useMutation({
    mutationFn: () => ok(api.POST('/v1/alarms/{id}/clear', { params: { path: { id: a.id } } })),
    onError: sayFault,
    onSettled: () => void queries.invalidateQueries({ queryKey: ['alarms'] }),
  })
  const open = !a.cleared_at && !a.ended_at
  const since = a.due_at ?? a.began_at
  const look = 'font-medium underline-offset-4 hover:underline'
  return (
    <li className="flex flex-wrap items-center gap-x-5 gap-y-2 border-b border-line py-2.5 text-sm">
      <span className="min-w-60 flex-1">
        {a.lead_id ? (
          <Link data-row to="/console/leads/$id" params={{ id: a.lead_id }} className={look}><Words a={a} /></Link>
        ) : a.source_id ? (
          <Link data-row to="/console/sources/$id" params={{ id: a.source_id }} className={look}><Words a={a} /></Link>
        ) : typeof a.detail.grant === 'string' ? (
          <Link data-row to="/console/grants" search={{ id: a.detail.grant }} className={look}><Words a={a} /></Link>
        ) : typeof a.detail.request === 'string' && may('privacy:manage') ? (
          <Link data-row to="/console/requests" search={{ id: a.detail.request }} className={look}><Words a={a} /></Link>
        ) : (
          <span className="font-medium"><Words a={a} /></span>
        )}
        <span className="block text-soft">{about(a, project)}</span>
      </span>
      {a.taken && <Badge>{t('console.alarm.taken')}</Badge>}
      {a.ended_at && <Badge tone="good">{t(a.kind === 'clock' ? 'console.alarm.ended' : 'console.alarm.right')}</Badge>}
      <span className={open ? 'text-warm' : 'text-soft'}>{open ? <Ago at={since} phrase /> : <When at={since} />}</span>
      {!a.cleared_at && may('routing:manage') && <Button busy={clear.isPending} onClick={() => clear.mutate()}>{t('console.alarm.clear')}</Button>}
    </li>
  )
}

/** The second line: whose lead and of which project, or what an alarm of the account is about. */
function about(a: Schemas['Alarm'], project?: string) {
  if (a.kind === 'clock') return [a.user_name ?? t('console.lead.nobody'), project].filter(Boolean).join(' · ')
  const values = Object.fromEntries(Object.entries(a.detail).filter(([, v]) => typeof v === 'string' || typeof v === 'number')) as Record<string, string | number>
  if (typeof a.detail.asked === 'string' && typeof a.detail.due_at === 'string') Object.assign(values, { asked: tOf('console.asked', a.detail.asked), due: dayName(a.detail.due_at) })
  const says = tOf('console.alarm.detail', a.kind, values)
  return [says === a.kind ? '' : says, project].filter(Boolean).join(' · ')
}
