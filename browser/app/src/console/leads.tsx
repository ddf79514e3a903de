import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useRef, useState } from 'react'
import { api, ok } from '../lib/api'
import { useHappened } from '../lib/events'
import { useFound, useRested } from '../lib/found'
import { span } from '../lib/format'
import { useActs, useListKeys } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { purpose } from '../lib/session'
import { isWhole } from '../lib/whole'
import { t, tOf } from '../lib/words'
import type { LeadFilter } from '../router'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Empty } from '../ui/empty'
import { Field } from '../ui/field'
import { Icon } from '../ui/icon'
import { Select } from '../ui/select'
import { Rows } from '../ui/skeleton'
import { type Column, Table } from '../ui/table'
import { sayFault } from '../ui/toast'
import { Ago, When } from '../ui/time'
import { BulkTransfer } from './bulk'
import { type Lead, useSources, useStages, useUsers } from './data'
import { Chips, Columns, hidden, Times, useKept } from './leadtools'
import { Page, Sorry } from './page'
import { LeadState, Stage } from './states'
import { LeadViews, useNamedView } from './views'

const frame = getRouteApi('/inside/console')
const here = getRouteApi('/inside/console/leads')
const pageSize = 100
/** How many pages are held: what lies further off is let go, and asked for again when it is scrolled back to. */
const heldPages = 12
/** How many can be chosen at once. */
const mostPicked = 5000
const LetSupport = lazy(() => import('../opening/form').then((m) => ({ default: m.LetSupport })))
const TakeOut = lazy(() => import('../inlet/export').then((m) => ({ default: m.TakeOut })))

type Param = { cursor?: string; to?: string }

/** What the filter in the address is to the server. */
function asked(filter: LeadFilter, project?: string) {
  const { names: _, view: __, list, speed, ...rest } = filter
  if (list) return { list, owner: filter.owner }
  const [least, below] = speed?.split('-').map(Number) ?? []
  return { ...rest, project, speed_from_ms: least || undefined, speed_below_ms: below || undefined }
}

/** Whether the filter asks for more than a project's leads. */
const fits = (query: object) => Object.entries(query).some(([k, v]) => v !== undefined && k !== 'project')

/** The leads of the account or of one project, a page at a time from the newest, by the filter in the address. */
export function Leads() {
  const { project } = frame.useSearch()
  const filter = here.useSearch()
  const may = useMay()
  const go = useNavigate()
  const names = !!filter.names && !!may('persons:open')
  const query = asked(filter, project)
  const key = ['leads', 'table', query, names]
  // Which page comes before which, and how long it was: by the cursor that it began at.
  const way = useRef(new Map<string, { before: Param; n: number }>())
  const page = (p: Param) =>
    ok(api.GET('/v1/leads', {
      params: { query: { ...query, ...(p.to && !('list' in query) ? { to: p.to } : {}), limit: pageSize, cursor: p.cursor, include: names ? ['person'] : undefined } },
      headers: names ? { 'Catchment-Purpose': purpose() } : {},
    }))
  const list_ = useInfiniteQuery({
    queryKey: key,
    enabled: !filter.view,
    initialPageParam: {} as Param,
    queryFn: ({ pageParam }) => page(pageParam),
    maxPages: heldPages,
    getNextPageParam: (p, _, at) => {
      if (!p.next_cursor) return undefined
      // What came in after the first page was read is not slipped in below the hand.
      const newest = p.items[0]?.created_at
      way.current.set(p.next_cursor, { before: at.cursor ? at : { to: newest && new Date(Date.parse(newest) + 1).toISOString() }, n: p.items.length })
      return { cursor: p.next_cursor } as Param
    },
    getPreviousPageParam: (_, __, at) => (at.cursor ? way.current.get(at.cursor)?.before : undefined),
  })
  const [picked, pick] = useState<ReadonlyMap<string, Lead>>(new Map())
  const [giving, give] = useState(false)
  const [lending, lend] = useState(false)
  const [news, setNews] = useState(0)
  // Leads that came in meanwhile are told of; the table does not jump under the hand.
  useHappened((e) => {
    const test = (e as { test?: boolean }).test
    if (e.kind === 'lead.created' && !test && (!project || e.project_id === project) && (!filter.source || e.source_id === filter.source)) setNews((n) => n + 1)
  })
  // Not in the address: a browser keeps addresses, and this is somebody's number.
  const [text, type] = useState('')
  const rested = useRested(text.trim())
  const looking = isWhole(rested)
  const found = useFound(rested, names)
  const shown = looking ? found : list_
  const rows = looking ? (found.data?.items ?? []) : [...new Map(list_.data?.pages.flatMap((p) => p.items).map((l) => [l.id, l])).values()]
  const letGo = before(list_.data, way.current)
  const [taking, take] = useState(false)
  const [gathering, gather] = useState<number | null>(null)
  const kept = useKept()
  useNamedView(filter.view, kept)
  const box = useRef<HTMLDivElement>(null)
  useListKeys(box, { next: t('console.leads.next'), before: t('console.leads.before') })
  useActs([
    { id: 'leads.names', words: names ? t('console.leads.hideNames') : t('console.leads.showNames'), group: t('console.nav.leads'), run: () => may('persons:open') && set({ names: names ? undefined : true }) },
  ])
  const set = (part: Partial<LeadFilter>) => void go({ to: '.', search: (s: object) => ({ ...s, ...part }) as never, replace: true })
  const toggle = (l: Lead) => {
    const next = new Map(picked)
    if (!next.delete(l.id)) next.set(l.id, l)
    pick(next)
  }
  const fresh = () => {
    setNews(0)
    way.current.clear()
    void queries.resetQueries({ queryKey: key })
  }
  /** Chooses all that fit the filter, page by page, with how many so far. */
  const pickFitting = async () => {
    const all = new Map<string, Lead>()
    gather(0)
    try {
      for (let cursor: string | undefined, more = true; more && all.size < mostPicked; more = !!cursor) {
        const p = await ok(api.GET('/v1/leads', { params: { query: { ...query, limit: 500, cursor } } }))
        for (const l of p.items) all.set(l.id, l)
        gather(all.size)
        cursor = p.next_cursor
      }
      pick(all)
    } catch (e) {
      sayFault(e)
    }
    gather(null)
  }
  const mayMove = !!may('leads:move')
  return (
    <Page
      full
      title={t('console.nav.leads')}
      action={
        <>
          {news > 0 && <Button icon="inlet" onClick={fresh}>{t('console.leads.news', { count: news })}</Button>}
          <LeadViews filter={filter} project={project} kept={kept} go={(search) => void go({ to: '/console/leads', search: search as never })} />
          <Columns kept={kept} />
          {may('leads:export') && <Button onClick={() => take(true)}>{t('console.leads.takeOut')}</Button>}
          {may('persons:open') && (
            <Button icon={names ? 'opened' : 'lock'} aria-pressed={names} onClick={() => set({ names: names ? undefined : true })}>{names ? t('console.leads.hideNames') : t('console.leads.showNames')}</Button>
          )}
        </>
      }
    >
      <Field type="search" hideLabel label={t('console.leads.find')} placeholder={t('console.leads.find')} value={text} onChange={(e) => type(e.target.value)} autoComplete="off" className="mb-2 md:w-80" />
      {!looking && <Filters filter={filter} set={set} />}
      {!looking && <Chips filter={filter} set={set} />}
      {names && <p className="mb-2 flex items-center gap-1.5 text-sm text-soft"><Icon name="opened" className="size-4" />{t('console.leads.onRecord')}</p>}
      {shown.isError && !shown.data ? (
        <Sorry error={shown.error} again={() => void shown.refetch()} />
      ) : shown.isPending ? (
        <Rows n={12} />
      ) : looking && rows.length === 0 ? (
        <Empty title={t('console.leads.nobody')} words={t('console.leads.nobodyWords')} />
      ) : rows.length === 0 ? (
        <Nothing filtered={Object.values(filter).some(Boolean) || !!project} clear={() => void go({ to: '/console/leads', search: {} })} />
      ) : (
        <div ref={box} className="-mx-4 flex min-h-0 flex-1 flex-col md:-mx-8">
          <Table
            label={t('console.nav.leads')}
            rows={rows}
            before={looking ? 0 : letGo}
            rowKey={(l) => l.id}
            columns={columns(names, mayMove ? { picked, toggle } : null).filter((c) => !hidden(kept, c.id))}
            onOpen={(l) => void go({ to: '/console/leads/$id', params: { id: l.id } })}
            more={!looking && list_.hasNextPage && !list_.isFetchNextPageError ? () => void list_.fetchNextPage() : undefined}
            less={!looking && list_.hasPreviousPage && !list_.isFetchPreviousPageError ? () => void list_.fetchPreviousPage() : undefined}
            loading={list_.isFetchingNextPage || list_.isFetchingPreviousPage}
            className="min-h-0 flex-1 border-t border-line px-1 md:px-5"
          />
        </div>
      )}
      {picked.size > 0 && (
        <div role="region" aria-label={t('console.leads.picked', { count: picked.size })} className="rises sticky bottom-0 z-20 -mx-4 flex flex-wrap items-center gap-3 border-t border-line bg-floating px-4 py-3 md:-mx-8 md:px-8">
          <p className="figures flex-1 font-medium">{t('console.leads.picked', { count: picked.size })}</p>
          <Button look="quiet" onClick={() => pick(new Map())}>{t('console.leads.unpick')}</Button>
          {picked.size < rows.length && <Button look="quiet" onClick={() => pick(new Map(rows.map((l) => [l.id, l])))}>{t('console.leads.pickAll', { count: rows.length })}</Button>}
          {!looking && list_.hasNextPage && <Button look="quiet" busy={gathering !== null} onClick={() => void pickFitting()}>{gathering === null ? t('console.leads.pickFitting') : t('console.leads.gathering', { count: gathering })}</Button>}
          {may('grants:manage') && <Button icon="lock" onClick={() => lend(true)}>{t('console.leads.lend')}</Button>}
          <Button look="primary" icon="swap" onClick={() => give(true)}>{t('console.bulk.go')}</Button>
        </div>
      )}
      {taking && <Suspense><TakeOut project={project} filter={'list' in query || !fits(query) ? undefined : query} onClose={() => take(false)} /></Suspense>}
      {lending && <Suspense><LetSupport leads={[...picked.keys()]} filter={'list' in query || !fits(query) ? undefined : query} onClose={() => lend(false)} /></Suspense>}
      {giving && (
        <BulkTransfer
          leads={[...picked.values()]}
          onClose={(left) => {
            give(false)
            pick(new Map(left.map((l) => [l.id, l])))
            fresh()
          }}
        />
      )}
    </Page>
  )
}

/** How many rows lie before the first page that is held. */
function before(data: InfiniteData<unknown, unknown> | undefined, way: Map<string, { before: Param; n: number }>) {
  let n = 0
  for (let at = data?.pageParams[0] as Param | undefined; at?.cursor; ) {
    const w = way.get(at.cursor)
    if (!w) break
    n += w.n
    at = w.before
  }
  return n
}

function Nothing({ filtered, clear }: { filtered: boolean; clear: () => void }) {
  return filtered ? (
    <Empty title={t('console.leads.noneHere')} words={t('console.leads.noneHereWords')}>
      <Button onClick={clear}>{t('console.leads.clear')}</Button>
    </Empty>
  ) : (
    <First />
  )
}

/** No lead at all: how the first one comes, for who can see to it. */
function First() {
  const may = useMay()
  const source = useSources(!!may('setup:read')).data?.find((s) => s.active)
  return (
    <Empty title={t('console.board.none')} words={t('console.leads.noneWords')}>
      {may('setup:manage') && <Button look="primary" nativeButton={false} render={<Link to="/console/start" />}>{t('console.start.title')}</Button>}
      {source && <Button nativeButton={false} render={<Link to="/console/sources/$id" params={{ id: source.id }} />}>{t('console.leads.snippet', { name: source.name })}</Button>}
    </Empty>
  )
}

function columns(names: boolean, choose: { picked: ReadonlyMap<string, Lead>; toggle: (l: Lead) => void } | null): Column<Lead>[] {
  const who: Column<Lead> = names
    ? { id: 'person', width: 'minmax(170px,1.4fr)', head: t('console.col.person'), cell: (l) => <span className="font-medium">{l.person?.erased ? t('console.lead.erased') : l.person?.name || l.person?.phone || l.person?.email || '–'}</span> }
    : { id: 'lead', width: 'minmax(110px,.7fr)', head: t('console.col.lead'), cell: (l) => <span dir="ltr" className="font-mono text-xs text-soft">…{l.id.slice(-8)}</span> }
  return [
    ...(choose
      ? [{
          id: 'pick', width: '44px', head: <span className="sr-only">{t('console.leads.pick')}</span>,
          cell: (l: Lead) => (
            <label className="-mx-3 grid h-11 place-items-center pointer-fine:h-9" onClick={(e) => e.stopPropagation()}>
              <span className="sr-only">{t('console.leads.pick')}</span>
              <input type="checkbox" className="size-4 accent-accent" checked={choose.picked.has(l.id)} onChange={() => choose.toggle(l)} />
            </label>
          ),
        } satisfies Column<Lead>]
      : []),
    who,
    { id: 'from', width: 'minmax(190px,1.7fr)', head: t('console.col.from'), cell: (l) => <>{l.project.name}<span className="text-soft"> · {l.source.name}</span></> },
    { id: 'state', width: '128px', head: t('console.col.state'), cell: (l) => <LeadState state={l.state} /> },
    { id: 'stage', width: 'minmax(160px,1fr)', head: t('console.col.stage'), cell: (l) => <Stage stage={l.stage} /> },
    { id: 'owner', width: 'minmax(120px,1fr)', head: t('console.col.owner'), cell: (l) => l.owner_name ?? <span className="text-faint">–</span> },
    { id: 'next', width: '112px', head: t('console.col.next'), cell: (l) => (l.next_at ? <span className={l.overdue ? 'text-warm' : ''}>{l.overdue ? t('console.lead.overdue') : <When at={l.next_at} />}</span> : <span className="text-faint">–</span>) },
    { id: 'speed', width: '128px', end: true, head: t('console.col.speed'), cell: (l) => (l.clocks.speed_to_lead_ms == null ? <span className="text-faint">–</span> : span(l.clocks.speed_to_lead_ms)) },
    { id: 'age', width: '88px', end: true, head: t('console.col.age'), cell: (l) => <Ago at={l.created_at} /> },
  ]
}

const any = '*'

function Filters({ filter, set }: { filter: LeadFilter; set: (part: Partial<LeadFilter>) => void }) {
  const { project } = frame.useSearch()
  const sources = useSources().data?.filter((s) => !project || s.project_id === project) ?? []
  const stages = useStages().data ?? []
  const users = useUsers().data ?? []
  const without = <K extends keyof LeadFilter>(k: K, v: string, also: Partial<LeadFilter> = {}) => set({ [k]: v === any ? undefined : v, ...also })
  const choices = (word: string, list: { value: string; label: string }[]) => [{ value: any, label: word }, ...list]
  const plain = { state: undefined, category: undefined, stage: undefined, source: undefined, tag: undefined, person: undefined, test: undefined, team: undefined, from: undefined, to: undefined, origin: undefined, campaign: undefined, came: undefined, speed: undefined }
  const set_ = Object.entries(filter).some(([k, v]) => v && k !== 'names')
  const [open, show] = useState(false)
  const box = cx('w-40 grow md:grow-0', !open && 'max-md:hidden')
  return (
    <div role="search" aria-label={t('console.filter.label')} className="mb-3 flex flex-wrap items-center gap-2">
      <Button icon="sliders" aria-expanded={open} className="md:hidden" onClick={() => show(!open)}>{t('console.filter.label')}</Button>
      <Select hideLabel className={box} label={t('console.filter.list')} value={filter.list ?? any} onChange={(v) => without('list', v, v === any ? {} : plain)}
        choices={choices(t('console.filter.anyList'), (['overdue', 'due-today', 'no-next-action', 'missed', 're-engaged', 'new-without-contact'] as const).map((v) => ({ value: v, label: tOf('console.list', v) })))} />
      {!filter.list && (
        <>
          <Select hideLabel className={box} label={t('console.col.state')} value={filter.state ?? any} onChange={(v) => without('state', v)}
            choices={choices(t('console.filter.anyState'), ['waiting', 'offered', 'owned', 'unrouted'].map((v) => ({ value: v, label: tOf('console.state', v) })))} />
          <Select hideLabel className={box} label={t('console.col.stage')} value={filter.stage ?? any} onChange={(v) => without('stage', v, { category: undefined })}
            choices={choices(t('console.filter.anyStage'), stages.map((s) => ({ value: s.id, label: s.name })))} />
          <Select hideLabel className={box} label={t('console.col.source')} value={filter.source ?? any} onChange={(v) => without('source', v)}
            choices={choices(t('console.filter.anySource'), sources.map((s) => ({ value: s.id, label: s.name })))} />
        </>
      )}
      <Select hideLabel className={box} label={t('console.col.owner')} value={filter.owner ?? any} onChange={(v) => without('owner', v)}
        choices={choices(t('console.filter.anyOwner'), users.map((u) => ({ value: u.id, label: u.name })))} />
      {!filter.list && <Times className={box} filter={filter} set={set} />}
      {!filter.list && (
        <label className={cx('flex min-h-11 items-center gap-2 px-1 text-sm md:min-h-9', !open && 'max-md:hidden')}>
          <input type="checkbox" className="size-4 accent-accent" checked={!!filter.test} onChange={(e) => set({ test: e.target.checked ? true : undefined })} />
          {t('console.filter.tests')}
        </label>
      )}
      {set_ && <Button look="quiet" icon="cross" onClick={() => set({ ...plain, list: undefined, owner: undefined })}>{t('console.leads.clear')}</Button>}
      {filter.list && <p className="text-sm text-soft">{t('console.filter.listWords')}</p>}
    </div>
  )
}
