import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { Page, Sorry } from '../console/page'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { t, tOf } from '../lib/words'
import { Missing } from '../root'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Field } from '../ui/field'
import { Rows } from '../ui/skeleton'
import { Countdown, When } from '../ui/time'
import { sayFault } from '../ui/toast'
import { fieldsOf } from './fields'

const one = getRouteApi('/inside/console/platform/grants/$id')
type Grant = Schemas['GrantToMe']

/** What accounts let whoever is signed in open. */
export function Granted() {
  const list = useInfiniteQuery({
    queryKey: ['granted'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/operator/grants', { params: { query: { limit: 100, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
    refetchInterval: 15_000,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  return (
    <Page title={t('mine.title')} words={t('mine.words')}>
      {list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Rows n={4} tall /> : rows.length === 0 ? <Empty title={t('mine.none')} words={t('mine.noneWords')} /> : (
        <ul>
          {rows.map((g) => (
            <li key={g.id} className="border-b border-line">
              <Link data-row to="/console/platform/grants/$id" params={{ id: g.id }} className="flex min-h-14 flex-wrap items-center gap-x-5 gap-y-1 py-2.5 text-sm hover:bg-hover md:-mx-2 md:px-2"><Line g={g} /></Link>
            </li>
          ))}
        </ul>
      )}
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
    </Page>
  )
}

function Line({ g }: { g: Grant }) {
  return (
    <>
      <span className="min-w-56 flex-1">
        <span dir="auto" className="match block font-medium">{g.reason}</span>
        <span className="block text-soft">{fieldsOf(g.fields)} · <span dir="ltr" className="font-mono text-xs">…{g.account_id.slice(-8)}</span></span>
      </span>
      {g.kind === 'break-glass' && <Badge tone="lost">{t('grant.emergency')}</Badge>}
      <Badge tone={g.state === 'open' ? 'warm' : 'plain'}>{t(`grant.state.${g.state}`)}</Badge>
      {g.state === 'open' ? <Countdown from={g.from} to={g.until} /> : <span className="text-soft"><When at={g.state === 'waiting' ? g.from : g.until} /></span>}
    </>
  )
}

/** The leads of one grant, each to be opened with its reason. What was opened goes from the screen when the grant ends. */
export function GrantedOne() {
  const { id } = one.useParams()
  const [why, say] = useState('')
  const list = useQuery({
    queryKey: ['granted', id],
    refetchInterval: 5000,
    retry: false,
    queryFn: () => ok(api.GET('/v1/operator/grants/{id}/leads', { params: { path: { id } } })),
  })
  const f = list.isError ? faultOf(list.error) : null
  if (f?.status === 404) return <Missing />
  const title = t('mine.title')
  if (f?.status === 403) return <Page title={title}><Empty title={f.detail ?? f.message} words={t('mine.over')} /></Page>
  if (f && !list.data) return <Page title={title}><Sorry error={list.error} again={() => void list.refetch()} /></Page>
  if (!list.data) return <Page title={title}><Rows n={6} tall /></Page>
  const { grant: g, items } = list.data
  return (
    <Page title={<span dir="auto">{g.reason}</span>} words={<>{fieldsOf(g.fields)} · <Link to="/console/platform/grants" className="underline underline-offset-4">{title}</Link></>} action={<p className="flex items-center gap-3 text-sm">{g.kind === 'break-glass' && <Badge tone="lost">{t('grant.emergency')}</Badge>}<Countdown from={g.from} to={g.until} className="text-lg font-semibold" /> {t('mine.left')}</p>}>
      <Field className="mb-6 max-w-110" label={t('mine.whyLabel')} help={t('mine.whyHelp')} value={why} onChange={(e) => say(e.target.value)} maxLength={100} autoComplete="off" dir="ltr" />
      {!why.trim() && <p className="mb-2 text-sm text-soft">{t('mine.first')}</p>}
      <ul>{items.map((l) => <LeadOf key={l.id} grant={id} lead={l} why={why.trim()} ended={() => void list.refetch()} />)}</ul>
    </Page>
  )
}

function LeadOf({ grant, lead: l, why, ended }: { grant: string; lead: Schemas['GrantedLead']; why: string; ended: () => void }) {
  const open = useMutation({
    gcTime: 0,
    mutationFn: () => ok(api.GET('/v1/operator/grants/{id}/leads/{lead}', { params: { path: { id: grant, lead: l.id } }, headers: { 'Catchment-Purpose': why } })),
    onError: (e) => {
      sayFault(e)
      ended()
    },
  })
  return (
    <li className="border-b border-line py-3">
      <div className="flex flex-wrap items-center gap-x-5 gap-y-2 text-sm">
        <span className="min-w-56 flex-1"><span className="font-medium">{t('mine.leadOf')} <When at={l.created_at} /></span> <span className="text-soft">· {tOf('console.category', l.category)}</span><span dir="ltr" className="block font-mono text-xs text-faint">{l.id}</span></span>
        <Button icon="lock" disabled={!why} busy={open.isPending} onClick={() => open.mutate()}>{t('mine.open')}</Button>
      </div>
      {open.data && (
        <dl className="rises mt-3 grid gap-x-8 gap-y-2 rounded bg-sunken p-4 text-sm md:grid-cols-2">
          {open.data.values.map((v, i) => (
            <div key={i}>
              <dt className="text-soft">{tOf('field', v.field)}{v.at && <> · <When at={v.at} /></>}</dt>
              <dd dir="auto" className="match break-words">{v.erased ? t('mine.erased') : (v.text ?? t('mine.nothing'))}</dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  )
}
