import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { api, ok, type Schemas } from '../lib/api'
import { count, money, span } from '../lib/format'
import { useMay } from '../lib/me'
import { locale, t, tOf } from '../lib/words'
import type { LeadFilter, ReportView } from '../router'
import { Bars } from '../ui/chart'
import { cx } from '../ui/cx'
import { Empty } from '../ui/empty'
import { Select } from '../ui/select'
import { Block, Rows } from '../ui/skeleton'
import { Tabs } from '../ui/tabs'
import { Page, Part, Sorry } from './page'
import { lasted } from './story'

const frame = getRouteApi('/inside/console')
const here = getRouteApi('/inside/console/reports')
const half = 30 * 60_000
export const sides = ['source', 'campaign', 'origin', 'project', 'salesperson', 'team', 'hour'] as const
type Row = Schemas['FigureRow']

/** The days until now, in the reader's zone; to whole half hours, as the figures are kept. */
function period(days: number) {
  const from = new Date()
  from.setHours(0, 0, 0, 0)
  from.setDate(from.getDate() - (days - 1))
  return { from: new Date(Math.floor(from.getTime() / half) * half).toISOString(), to: new Date(Math.ceil((Date.now() + 1) / half) * half).toISOString() }
}

/** How fast leads were answered, where they came from, and what came of them. */
export function Reports() {
  const { project } = frame.useSearch()
  const { by = 'source', days = 7 } = here.useSearch()
  const go = useNavigate()
  const set = (part: ReportView) => void go({ to: '.', search: (s: object) => ({ ...s, ...part }) as never, replace: true })
  const query = { ...period(days), by, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone }
  const report = useQuery({ queryKey: ['figures', query], queryFn: () => ok(api.GET('/v1/reports/figures', { params: { query } })), placeholderData: keepPreviousData })
  const r = report.data
  return (
    <Page
      title={t('console.nav.reports')}
      words={t('console.report.words')}
      action={<Select hideLabel className="w-40" label={t('console.report.period')} value={String(days)} onChange={(d) => set({ days: Number(d) })} choices={['1', '7', '28', '90'].map((d) => ({ value: d, label: d === '1' ? t('console.report.today') : t('console.backtest.last', { count: Number(d) }) }))} />}
    >
      {report.isError && !r ? <Sorry error={report.error} again={() => void report.refetch()} /> : !r ? <><Block className="h-64 w-full" /><Rows n={5} /></> : r.total.leads === 0 && r.total.work.offers === 0 ? (
        <Empty title={t('console.report.none')} words={t('console.report.noneWords')} />
      ) : (
        <div className="space-y-12">
          <Speed total={r.total} />
          <Funnel total={r.total} />
          <Part title={t('console.report.compared')}>
            {project && <p className="mb-2 text-sm text-soft">{t('console.report.allProjects')}</p>}
            <Tabs label={t('console.report.by')} value={by} onChange={(v) => set({ by: v })} tabs={sides.map((s) => ({ value: s, label: t(`console.by.${s}`) }))} className="-mx-3">
              <div className="px-3 pt-4">
                {by === 'hour' && <Bars label={t('console.report.byHour')} across={t('console.by.hour')} bars={r.rows.map((x) => ({ label: x.name, value: x.leads }))} />}
                <Compared rows={by === 'hour' ? r.rows.filter((x) => x.leads > 0 || x.work.offers > 0) : r.rows} by={by} more={r.more} />
              </div>
            </Tabs>
          </Part>
        </div>
      )}
    </Page>
  )
}

/** How the speed to lead is spread, the middle one written out. */
function Speed({ total }: { total: Row }) {
  const c = total.clocks.speed_to_lead
  const middle = c.p50_ms
  return (
    <section className="grid gap-x-14 gap-y-6 lg:grid-cols-[240px_minmax(0,1fr)]">
      <div>
        <h2 className="text-sm font-medium text-soft">{t('console.clock.speed_to_lead')}</h2>
        <p className="figures mt-1 text-hero font-semibold tracking-tight">{middle == null ? '–' : lasted(middle)}</p>
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
          <Bars label={t('console.report.spread')} across={t('console.report.upTo')} bars={filled(c.spread).map((s) => ({ label: short(s.below_ms), value: s.leads, marked: middle != null && s.from_ms <= middle && middle < s.below_ms }))} />
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
function Funnel({ total }: { total: Row }) {
  const steps = [
    ['leads', total.leads], ['offered', total.offered], ['accepted', total.accepted], ['attempted', total.attempted], ['contacted', total.contacted], ['won', total.categories.won],
  ] as const
  return (
    <Part title={t('console.report.funnel')}>
      <ol className="space-y-1.5">
        {steps.map(([k, n]) => (
          <li key={k} className="grid grid-cols-[8rem_minmax(0,1fr)_9rem] items-center gap-4 text-sm">
            <span>{t(`console.step.${k}`)}</span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden className="h-6 w-full rtl:-scale-x-100">
              <rect width="100" height="10" className="fill-sunken" />
              <rect width={total.leads ? (n / total.leads) * 100 : 0} height="10" className={k === 'won' ? 'fill-good' : 'fill-accent'} />
            </svg>
            <span className="figures text-end"><span className="font-semibold">{count(n)}</span> <span className="text-soft">{percent(total.leads ? n / total.leads : null)}</span></span>
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

function Compared({ rows, by, more }: { rows: Row[]; by: (typeof sides)[number]; more: number }) {
  const most = Math.max(1, ...rows.map((r) => r.leads))
  const person = by === 'salesperson' || by === 'team'
  const costs = rows.some((r) => r.costs.length > 0)
  const cost = (r: Row, k: 'spent_minor' | 'per_lead_minor' | 'per_won_minor') => r.costs.map((c) => (c[k] == null ? '–' : money(c[k], c.currency))).join(' · ') || '–'
  const cols: Col[] = [
    ...(person ? [] : [{ id: 'accepted', words: t('console.step.accepted'), cell: (r: Row) => count(r.accepted) }]),
    { id: 'contacted', words: t('console.step.contacted'), cell: (r) => `${count(r.contacted)} · ${percent(r.rates.contact)}` },
    { id: 'won', words: t('console.step.won'), cell: (r) => `${count(r.categories.won)} · ${percent(r.rates.win)}` },
    { id: 'speed', words: t('console.report.halfWithin'), cell: (r) => (r.clocks.speed_to_lead.p50_ms == null ? '–' : lasted(r.clocks.speed_to_lead.p50_ms)) },
    { id: 'acceptance', words: t('console.report.acceptance'), cell: (r) => percent(r.rates.acceptance) },
    ...(person ? [{ id: 'offers', words: t('console.report.offers'), cell: (r: Row) => count(r.work.offers) }, { id: 'attempts', words: t('console.report.attempts'), cell: (r: Row) => count(r.work.attempts) }] : []),
    ...(by === 'salesperson' ? [{ id: 'available', words: t('console.presence.available'), cell: (r: Row) => (r.presence ? hours(r.presence.available_ms) : '–') }, { id: 'away', words: t('console.presence.away'), cell: (r: Row) => (r.presence ? hours(r.presence.away_ms) : '–') }] : []),
    ...(costs ? [{ id: 'spent', words: t('console.report.spent'), cell: (r: Row) => cost(r, 'spent_minor') }, { id: 'perLead', words: t('console.report.perLead'), cell: (r: Row) => cost(r, 'per_lead_minor') }, { id: 'perWon', words: t('console.report.perWon'), cell: (r: Row) => cost(r, 'per_won_minor') }] : []),
  ]
  if (!rows.length) return <p className="py-6 text-soft">{t('console.report.nobody')}</p>
  return (
    <div className="mt-2 overflow-x-auto" tabIndex={0} role="group" aria-label={t('console.report.compared')}>
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
              <th scope="row" className="max-w-60 truncate py-2 pe-3 text-start font-medium"><To row={r} by={by} /></th>
              <td className="w-48 px-3 py-2">
                <span className="flex items-center gap-2.5">
                  <span className="figures w-12 text-end font-semibold">{count(r.leads)}</span>
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
function To({ row, by }: { row: Row; by: (typeof sides)[number] }) {
  const may = useMay()
  const name = row.name || (by === 'campaign' || by === 'origin' ? t('console.report.unnamed') : by === 'salesperson' ? t('console.lead.nobody') : tOf('console.by', by))
  const search: (LeadFilter & { project?: string }) | null = !row.id ? null : by === 'source' ? { source: row.id } : by === 'salesperson' ? { owner: row.id } : by === 'project' ? { project: row.id } : null
  if (!search || !may('leads:read')) return <>{name}</>
  return <Link to="/console/leads" search={search} className="underline-offset-4 hover:underline">{name}</Link>
}
