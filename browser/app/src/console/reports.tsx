import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { count, money, span } from '../lib/format'
import { useMay } from '../lib/me'
import { locale, t, tOf } from '../lib/words'
import type { LeadFilter, ReportView } from '../router'
import { Button } from '../ui/button'
import { Bars } from '../ui/chart'
import { cx } from '../ui/cx'
import { Empty } from '../ui/empty'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Block, Rows } from '../ui/skeleton'
import { Tabs } from '../ui/tabs'
import { Page, Part, Sorry } from './page'
import { period } from './period'
import { lasted } from './story'

const frame = getRouteApi('/inside/console')
const here = getRouteApi('/inside/console/reports')
const Spend = lazy(() => import('./spend').then((m) => ({ default: m.Spend })))
export const sides = ['source', 'campaign', 'origin', 'project', 'salesperson', 'team', 'hour'] as const
type Row = Schemas['FigureRow']

type Behind = LeadFilter & { project?: string }
/** Goes to the leads behind a figure of this time; undefined for who reads none. */
function useBehind(span: { from: string; to: string }, project?: string) {
  const may = useMay()
  const go = useNavigate()
  if (!may('leads:read')) return undefined
  return (search: Behind) => void go({ to: '/console/leads', search: { project, ...search, ...span } })
}
type Open = ReturnType<typeof useBehind>

/** How fast leads were answered, where they came from, and what came of them. */
export function Reports() {
  const { project } = frame.useSearch()
  const { by = 'source', days = 7, compare } = here.useSearch()
  const go = useNavigate()
  const set = (part: ReportView) => void go({ to: '.', search: (s: object) => ({ ...s, ...part }) as never, replace: true })
  const may = useMay()
  const time = period(days)
  // What is kept of a project: its sum, and its sources'. Compared by all else, the table is of the whole account.
  const narrow = !project || by === 'source' || by === 'project'
  const query = { ...time, by, project: narrow ? project : undefined, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone }
  const earlier = { ...query, ...period(days, days) }
  const own = { ...time, by: 'project' as const, project }
  const before = useQuery({ queryKey: ['figures', earlier], enabled: !!compare, queryFn: () => ok(api.GET('/v1/reports/figures', { params: { query: earlier } })), placeholderData: keepPreviousData }).data
  const ownBefore = useQuery({ queryKey: ['figures', { ...own, ...period(days, days) }], enabled: !!compare && !narrow, queryFn: () => ok(api.GET('/v1/reports/figures', { params: { query: { ...own, ...period(days, days) } } })), placeholderData: keepPreviousData }).data
  const behind = useBehind(time, project)
  const behindAll = useBehind(time)
  const [spending, spend] = useState(false)
  const report = useQuery({ queryKey: ['figures', query], queryFn: () => ok(api.GET('/v1/reports/figures', { params: { query } })), placeholderData: keepPreviousData })
  const ofProject = useQuery({ queryKey: ['figures', own], enabled: !narrow, queryFn: () => ok(api.GET('/v1/reports/figures', { params: { query: own } })), placeholderData: keepPreviousData })
  const r = report.data
  const total = narrow ? r?.total : ofProject.data?.total
  const was = compare ? (narrow ? before : ownBefore)?.total : undefined
  return (
    <Page
      title={t('console.nav.reports')}
      words={t('console.report.words')}
      action={
        <>
          <Button aria-pressed={!!compare} icon="swap" onClick={() => set({ compare: compare ? undefined : true })}>{t('console.report.compare')}</Button>
          {may('spend:enter') && <Button icon="plus" onClick={() => spend(true)}>{t('console.spend.go')}</Button>}
          <Select hideLabel className="w-40" label={t('console.report.period')} value={String(days)} onChange={(d) => set({ days: Number(d) })} choices={['1', '7', '28', '90'].map((d) => ({ value: d, label: d === '1' ? t('console.report.today') : t('console.backtest.last', { count: Number(d) }) }))} />
        </>
      }
    >
      {report.isError && !r ? <Sorry error={report.error} again={() => void report.refetch()} /> : !r || !total ? <><Block className="h-64 w-full" /><Rows n={5} /></> : total.leads === 0 && total.work.offers === 0 ? (
        <Empty title={t('console.report.none')} words={t('console.report.noneWords')} />
      ) : (
        <div className="space-y-12">
          <Speed total={total} before={was} open={behind} />
          <Funnel total={total} before={was} open={behind} />
          <Part title={t('console.report.compared')}>
            {!narrow && <p className="mb-2 text-sm text-soft">{t('console.report.allProjects')}</p>}
            <Tabs label={t('console.report.by')} value={by} onChange={(v) => set({ by: v })} tabs={sides.map((s) => ({ value: s, label: t(`console.by.${s}`) }))} className="-mx-3">
              <div className="px-3 pt-4">
                {by === 'hour' && <Bars label={t('console.report.byHour')} across={t('console.by.hour')} bars={r.rows.map((x) => ({ label: x.name, value: x.leads }))} />}
                <Compared rows={by === 'hour' ? r.rows.filter((x) => x.leads > 0 || x.work.offers > 0) : r.rows} by={by} more={r.more} before={compare ? before?.rows : undefined} open={narrow ? behind : behindAll} />
              </div>
            </Tabs>
          </Part>
        </div>
      )}
      <Sheet open={spending} onClose={() => spend(false)} title={t('console.spend.go')}>{spending && <Suspense><Spend onClose={() => spend(false)} /></Suspense>}</Sheet>
    </Page>
  )
}

/** What it was in the days before, in words. */
function Was({ words }: { words: string }) {
  return <span className="ms-1.5 text-sm font-normal text-faint">{t('console.report.was', { n: words })}</span>
}

/** How the speed to lead is spread, the middle one written out. */
function Speed({ total, before, open }: { total: Row; before?: Row; open: Open }) {
  const c = total.clocks.speed_to_lead
  const middle = c.p50_ms
  return (
    <section className="grid grid-cols-1 gap-x-14 gap-y-6 lg:grid-cols-[240px_minmax(0,1fr)]">
      <div>
        <h2 className="text-sm font-medium text-soft">{t('console.clock.speed_to_lead')}</h2>
        <p className="figures mt-1 text-hero font-semibold tracking-tight">{middle == null ? '–' : lasted(middle)}</p>
        {before && <Was words={before.clocks.speed_to_lead.p50_ms == null ? '–' : lasted(before.clocks.speed_to_lead.p50_ms)} />}
        <p className="mt-1.5 text-sm text-soft">{middle == null ? t('console.report.notMeasured') : t('console.report.half')}</p>
        <dl className="mt-5 space-y-2 text-sm">
          {([['p90_ms', 'p90'], ['p99_ms', 'p99']] as const).map(([k, w]) => (
            <div key={k} className="flex justify-between gap-4"><dt className="text-soft">{t(`console.report.${w}`)}</dt><dd className="figures font-semibold">{c[k] == null ? '–' : lasted(c[k])}</dd></div>
          ))}
          <div className="flex justify-between gap-4"><dt className="text-soft">{t('console.report.measured')}</dt><dd className="figures font-semibold">{t('console.report.of', { n: count(c.measured), all: count(total.leads) })}</dd></div>
        </dl>
      </div>
      <div className="min-w-0">
        {c.spread.length > 0 && (
          <Bars label={t('console.report.spread')} across={t('console.report.upTo')} bars={filled(c.spread).map((s) => ({ label: short(s.below_ms), value: s.leads, marked: middle != null && s.from_ms <= middle && middle < s.below_ms, open: open && s.leads ? () => open({ speed: `${s.from_ms}-${s.below_ms}` }) : undefined }))} />
        )}
        {c.spread.length > 0 && <p className="mt-1 text-center text-xs text-faint">{t('console.report.spreadWords')}</p>}
      </div>
    </section>
  )
}

/** Spans that nobody fell into stand between the others as empty ones. */
function filled(spread: Schemas['FigureSpan'][]) {
  const out: Schemas['FigureSpan'][] = []
  for (const s of [...spread].sort((a, b) => a.from_ms - b.from_ms)) {
    for (let last = out.at(-1); last && last.below_ms < s.from_ms; last = out.at(-1)) out.push({ from_ms: last.below_ms, below_ms: last.below_ms * 2, leads: 0 })
    out.push(s)
  }
  return out
}
const short = (ms: number) => (ms < 1000 ? t('console.ms', { n: ms }) : ms < 60_000 ? t('console.seconds', { n: Math.round(ms / 1000) }) : span(ms))

/** What part of the leads came how far. */
function Funnel({ total, before, open }: { total: Row; before?: Row; open: Open }) {
  const stepsOf = (r: Row) => [
    ['leads', r.leads], ['offered', r.offered], ['accepted', r.accepted], ['attempted', r.attempted], ['contacted', r.contacted], ['won', r.categories.won],
  ] as const
  const steps = stepsOf(total)
  const was = before && Object.fromEntries(stepsOf(before))
  const searches = { leads: {}, offered: { came: 'offered' }, accepted: { came: 'accepted' }, attempted: { came: 'attempted' }, contacted: { came: 'contacted' }, won: { category: 'won' } } as const
  return (
    <Part title={t('console.report.funnel')}>
      <ol className="space-y-1.5">
        {steps.map(([k, n]) => (
          <li key={k} className="grid grid-cols-[7rem_minmax(0,1fr)_auto] md:grid-cols-[8rem_minmax(0,1fr)_12rem] items-center gap-4 text-sm">
            <span>{open && n ? <button type="button" className="underline-offset-4 hover:underline" onClick={() => open(searches[k])}>{t(`console.step.${k}`)}</button> : t(`console.step.${k}`)}</span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden className="h-6 w-full rtl:-scale-x-100">
              <rect width="100" height="10" className="fill-sunken" />
              <rect width={total.leads ? (n / total.leads) * 100 : 0} height="10" className={k === 'won' ? 'fill-good' : 'fill-accent'} />
            </svg>
            <span className="figures text-end"><span className="font-semibold">{count(n)}</span> <span className="text-soft">{percent(total.leads ? n / total.leads : null)}</span>{was && <> <Was words={count(was[k]!)} /></>}</span>
          </li>
        ))}
      </ol>
      <p className="mt-3 text-sm text-soft">{t('console.report.beside', { visits: count(total.visits), bookings: count(total.bookings), acceptance: percent(total.rates.acceptance) })}</p>
    </Part>
  )
}

const percent = (n: number | null) => (n == null ? '–' : new Intl.NumberFormat(locale(), { style: 'percent', maximumFractionDigits: n < 0.1 ? 1 : 0 }).format(n))
const hours = (ms: number) => new Intl.NumberFormat(locale(), { style: 'unit', unit: 'hour', unitDisplay: 'short', maximumFractionDigits: 1 }).format(ms / 3_600_000)

interface Col {
  id: string
  words: string
  cell: (r: Row) => string
}

function Compared({ rows, by, more, before, open }: { rows: Row[]; by: (typeof sides)[number]; more: number; before?: Row[]; open: Open }) {
  const was = (r: Row) => before?.find((b) => (b.id ?? b.name) === (r.id ?? r.name))?.leads ?? 0
  const most = Math.max(1, ...rows.map((r) => r.leads))
  const person = by === 'salesperson' || by === 'team'
  const costs = rows.some((r) => r.costs.length > 0)
  const cost = (r: Row, k: 'spent_minor' | 'per_lead_minor' | 'per_booking_minor') => r.costs.map((c) => (c[k] == null ? '–' : money(c[k], c.currency))).join(' · ') || '–'
  const cols: Col[] = [
    ...(person ? [] : [{ id: 'accepted', words: t('console.step.accepted'), cell: (r: Row) => count(r.accepted) }]),
    { id: 'contacted', words: t('console.step.contacted'), cell: (r) => `${count(r.contacted)} · ${percent(r.rates.contact)}` },
    { id: 'won', words: t('console.step.won'), cell: (r) => `${count(r.categories.won)} · ${percent(r.rates.win)}` },
    { id: 'speed', words: t('console.report.halfWithin'), cell: (r) => (r.clocks.speed_to_lead.p50_ms == null ? '–' : lasted(r.clocks.speed_to_lead.p50_ms)) },
    { id: 'acceptance', words: t('console.report.acceptance'), cell: (r) => percent(r.rates.acceptance) },
    ...(person ? [{ id: 'offers', words: t('console.report.offers'), cell: (r: Row) => count(r.work.offers) }, { id: 'attempts', words: t('console.report.attempts'), cell: (r: Row) => count(r.work.attempts) }] : []),
    ...(by === 'salesperson' ? [{ id: 'available', words: t('console.presence.available'), cell: (r: Row) => (r.presence ? hours(r.presence.available_ms) : '–') }, { id: 'away', words: t('console.presence.away'), cell: (r: Row) => (r.presence ? hours(r.presence.away_ms) : '–') }] : []),
    ...(costs ? [{ id: 'spent', words: t('console.report.spent'), cell: (r: Row) => cost(r, 'spent_minor') }, { id: 'perLead', words: t('console.report.perLead'), cell: (r: Row) => cost(r, 'per_lead_minor') }, { id: 'perBooking', words: t('console.report.perBooking'), cell: (r: Row) => cost(r, 'per_booking_minor') }] : []),
  ]
  if (!rows.length) return <p className="py-6 text-soft">{t('console.report.nobody')}</p>
  return (
    <div className="relative mt-2 overflow-x-auto" tabIndex={0} role="group" aria-label={t('console.report.compared')}>
      <table className="w-full min-w-160 text-sm">
        <thead>
          <tr className="border-b border-line text-xs text-soft">
            <th scope="col" className="py-2 pe-3 text-start font-medium">{t(`console.by.${by}`)}</th>
            <th scope="col" className="px-3 py-2 text-start font-medium">{t('console.step.leads')}</th>
            {cols.map((c) => <th key={c.id} scope="col" className="px-3 py-2 text-end font-medium">{c.words}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => (
            <tr key={(r.id ?? '') + r.name} className="border-b border-line hover:bg-hover">
              <th scope="row" className="max-w-60 truncate py-2 pe-3 text-start font-medium"><To row={r} by={by} open={open} /></th>
              <td className="w-48 px-3 py-2">
                <span className="flex items-center gap-2.5">
                  <span className="figures w-12 text-end font-semibold">{count(r.leads)}</span>
                  {before && <Was words={count(was(r))} />}
                  <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden className="h-1.5 flex-1 rtl:-scale-x-100"><rect width={(r.leads / most) * 100} height="6" className="fill-accent" /></svg>
                </span>
              </td>
              {cols.map((c) => <td key={c.id} className="figures px-3 py-2 text-end whitespace-nowrap">{c.cell(r)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && <p className={cx('pt-3 text-sm text-soft')}>{t('console.report.more', { count: more })}</p>}
    </div>
  )
}

/** A row's name leads to its leads, where leads can be told by it. */
function To({ row, by, open }: { row: Row; by: (typeof sides)[number]; open: Open }) {
  const name = row.name || (by === 'campaign' || by === 'origin' ? t('console.report.unnamed') : by === 'salesperson' ? t('console.lead.nobody') : tOf('console.by', by))
  const id = row.id ?? undefined
  const searches: Partial<Record<(typeof sides)[number], Behind | undefined>> = {
    source: id ? { source: id } : undefined, salesperson: id ? { owner: id } : undefined, project: id ? { project: id } : undefined, team: id ? { team: id } : undefined,
    campaign: row.name ? { campaign: row.name } : undefined, origin: row.name ? { origin: row.name } : undefined,
  }
  const search = searches[by]
  if (!search || !open || !row.leads) return <>{name}</>
  return <button type="button" className="max-w-full truncate underline-offset-4 hover:underline" onClick={() => open(search)}>{name}</button>
}
