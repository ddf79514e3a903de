import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { purpose } from '../lib/session'
import { t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Icon } from '../ui/icon'
import { Rows } from '../ui/skeleton'
import { Tabs } from '../ui/tabs'
import { When } from '../ui/time'
import { say, sayFault } from '../ui/toast'
import { useActor, useFresh } from './data'
import { Page, Sorry } from './page'

const here = getRouteApi('/inside/console/held')
const tabs = ['held', 'kept', 'released', 'dead'] as const

/** What came in and is no lead yet: held for a human's look, or not to be processed. Nothing of it is lost. */
export function Held() {
  const { tab = 'held' } = here.useSearch()
  const go = useNavigate()
  const may = useMay()
  const [opened, open] = useState(false)
  useFresh(/^enquiry\./, ['held'])
  return (
    <Page
      title={t('console.nav.held')}
      words={t('console.held.words')}
      action={tab !== 'dead' && may('persons:open') && <Button icon={opened ? 'opened' : 'lock'} aria-pressed={opened} onClick={() => open(!opened)}>{opened ? t('console.held.close') : t('console.held.open')}</Button>}
    >
      <Tabs label={t('console.nav.held')} value={tab} onChange={(v) => void go({ to: '.', search: (s: object) => ({ ...s, tab: v }) as never, replace: true })} tabs={tabs.map((v) => ({ value: v, label: t(`console.held.tab.${v}`) }))} className="-mx-3">
        <div className="px-3 pt-3">{tab === 'dead' ? <Dead /> : <Quarantine key={tab} state={tab} opened={opened} />}</div>
      </Tabs>
    </Page>
  )
}

function Quarantine({ state, opened }: { state: 'held' | 'kept' | 'released'; opened: boolean }) {
  const list = useInfiniteQuery({
    queryKey: ['held', state, opened],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/quarantine', { params: { query: { state, limit: 50, cursor: pageParam, include: opened ? ['person', 'message'] : undefined } }, headers: opened ? { 'Catchment-Purpose': purpose() } : {} })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const [picked, pick] = useState<readonly string[]>([])
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  const ids = rows.map((q) => q.enquiry.id)
  const chosen = picked.filter((id) => ids.includes(id)) // somebody else may have judged one meanwhile
  const judge = useMutation({
    mutationFn: async (what: 'keep' | 'release') => {
      let failed = 0
      for (const id of chosen)
        await ok(api.POST(`/v1/quarantine/{id}/${what}`, { params: { path: { id } } })).catch(() => {
          failed++
        })
      return failed
    },
    onSuccess: (failed, what) => {
      if (failed) say(t('console.held.failed', { count: failed }), { kind: 'lost' })
      else say(t(what === 'release' ? 'console.held.areReleased' : 'console.held.areKept', { count: chosen.length }), { kind: 'good' })
    },
    onSettled: () => {
      pick([])
      void queries.invalidateQueries({ queryKey: ['held'] })
    },
  })
  if (list.isError && !list.data) return <Sorry error={list.error} again={() => void list.refetch()} />
  if (list.isPending) return <Rows n={4} tall />
  if (!rows.length) return <Empty title={t('console.held.none')} words={t('console.held.noneWords')} />
  return (
    <>
      {state !== 'released' && rows.length > 1 && (
        <div className="flex min-h-13 flex-wrap items-center gap-x-4 gap-y-2 border-b border-line py-2">
          <label className="flex min-h-11 flex-1 items-center gap-3 text-sm font-medium md:min-h-9">
            <input type="checkbox" className="size-4 accent-accent" checked={chosen.length === ids.length} onChange={(e) => pick(e.target.checked ? ids : [])} />
            {chosen.length ? t('console.held.chosen', { count: chosen.length }) : t('console.held.chooseAll', { count: ids.length })}
          </label>
          {chosen.length > 0 && (
            <span className="flex gap-2">
              {state === 'held' && <Button look="quiet" disabled={judge.isPending} onClick={() => judge.mutate('keep')}>{t('console.held.keepAll')}</Button>}
              <Button busy={judge.isPending} onClick={() => judge.mutate('release')}>{t('console.held.releaseAll')}</Button>
            </span>
          )}
        </div>
      )}
      {opened && <p className="mb-2 flex items-center gap-1.5 text-sm text-soft"><Icon name="opened" className="size-4" />{t('console.leads.onRecord')}</p>}
      <ul>{rows.map((q) => <One key={q.enquiry.id} q={q} picked={state === 'released' || rows.length < 2 ? undefined : chosen.includes(q.enquiry.id)} onPick={(on) => pick(on ? [...chosen, q.enquiry.id] : chosen.filter((id) => id !== q.enquiry.id))} />)}</ul>
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
    </>
  )
}

function One({ q, picked, onPick }: { q: Schemas['Quarantined']; /** undefined: it is not chosen with others. */ picked?: boolean; onPick: (on: boolean) => void }) {
  const name = useActor()
  const e = q.enquiry
  const judge = useMutation({
    mutationFn: (what: 'keep' | 'release') => ok(api.POST(`/v1/quarantine/{id}/${what}`, { params: { path: { id: e.id } } })),
    onSuccess: (_, what) => say(t(what === 'release' ? 'console.held.isReleased' : 'console.held.isKept'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => void queries.invalidateQueries({ queryKey: ['held'] }),
  })
  return (
    <li className="flex flex-wrap items-start gap-x-6 gap-y-3 border-b border-line py-4">
      {picked !== undefined && <input type="checkbox" aria-label={t('console.held.choose')} className="mt-1 size-4 accent-accent" checked={picked} onChange={(e) => onPick(e.target.checked)} />}
      <div className="min-w-56 flex-1">
        <p className="flex flex-wrap items-center gap-2.5"><span className="font-medium">{e.person?.name || e.person?.phone || e.person?.email || `${e.project.name} · ${e.source.name}`}</span><Badge tone="plain">{tOf('console.heldFor', q.reason)}</Badge></p>
        <p className="mt-1 text-sm text-soft">{e.person && `${e.project.name} · ${e.source.name} · `}{t('console.held.since')} <When at={q.received_at} />{q.judged_at && <> · {t('console.held.judged', { name: name(q.judged_by) })} <When at={q.judged_at} /></>}</p>
        <p className="mt-1 max-w-160 text-sm">{tOf('console.heldBecause', q.reason)}{q.reason === 'firewall' && ' ' + t(q.inspected_at ? 'console.held.inspected' : 'console.held.notInspected')}</p>
        {e.person && <p className="mt-1 text-sm text-soft"><span className="ltr">{[e.person.phone, e.person.email].filter(Boolean).join(' · ')}</span></p>}
        {e.message && <blockquote className="mt-2 max-w-160 border-s-2 border-edge ps-3 text-sm whitespace-pre-wrap"><span dir="auto" className="match block">{e.message}</span></blockquote>}
        {q.rules.length > 0 && <ul className="mt-1 text-sm text-soft">{q.rules.map((r) => <li key={r.id}>{t('console.held.rule', { id: r.id })} · <bdi lang="en">{r.name}</bdi></li>)}</ul>}
        {e.lead_id && <Link to="/console/leads/$id" params={{ id: e.lead_id }} className="mt-1 inline-block text-sm text-accent underline underline-offset-4">{t('console.start.test.story')}</Link>}
      </div>
      {q.state !== 'released' && (
        <div className="flex gap-2">
          {q.state === 'held' && <Button look="quiet" disabled={judge.isPending} onClick={() => judge.mutate('keep')}>{t('console.held.keep')}</Button>}
          <Button busy={judge.isPending} onClick={() => judge.mutate('release')}>{t('console.held.release')}</Button>
        </div>
      )}
    </li>
  )
}

function Dead() {
  const list = useInfiniteQuery({
    queryKey: ['held', 'dead'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/dead-letters', { params: { query: { limit: 50, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const again = useMutation({
    mutationFn: (id: string) => ok(api.POST('/v1/dead-letters/{id}/replay', { params: { path: { id } } })),
    onSuccess: () => say(t('console.held.replayed'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => void queries.invalidateQueries({ queryKey: ['held'] }),
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  if (list.isError && !list.data) return <Sorry error={list.error} again={() => void list.refetch()} />
  if (list.isPending) return <Rows n={4} />
  if (!rows.length) return <Empty title={t('console.held.noDead')} words={t('console.held.noDeadWords')} />
  return (
    <>
      <ul>
        {rows.map((d) => (
          <li key={d.id} className="flex min-h-13 flex-wrap items-center gap-x-6 gap-y-2 border-b border-line py-2 text-sm">
            <span className="min-w-60 flex-1"><span className="font-medium">{d.reason}</span><span className="block text-soft"><When at={d.received_at} /> · {t('console.held.tries', { count: d.tries })}</span></span>
            {d.state === 'open' ? <Button busy={again.isPending && again.variables === d.id} onClick={() => again.mutate(d.id)}>{t('console.held.replay')}</Button> : <Badge tone="good">{t('console.held.wasReplayed')}</Badge>}
          </li>
        ))}
      </ul>
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
    </>
  )
}
