import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { api, ok, type Schemas } from '../lib/api'
import { useNow } from '../lib/clock'
import { count, span, stopwatch } from '../lib/format'
import { useMay } from '../lib/me'
import { t } from '../lib/words'
import type { LeadFilter } from '../router'
import { cx } from '../ui/cx'
import { Empty } from '../ui/empty'
import { Block, Rows } from '../ui/skeleton'
import { Ago } from '../ui/time'
import { type Lead, useFresh } from './data'
import { Page, Part, Sorry } from './page'
import { LeadState, Presence } from './states'

const here = getRouteApi('/inside/console')
/** From then on a lead that nobody has is time being lost. */
const lostAfter = 60_000

type BoardNow = Schemas['Board']

/** How everything stands now: who waits, since when, and who could take it. */
export function Board() {
  const { project } = here.useSearch()
  const may = useMay()
  const board = useQuery({ queryKey: ['board'], queryFn: () => ok(api.GET('/v1/board')), placeholderData: keepPreviousData, refetchInterval: 30_000 })
  useFresh(/^(lead|offer|presence|enquiry|setup|alarm)\./, ['board'], ['leads', 'latest'])
  if (board.isError && !board.data) return <Sorry error={board.error} again={() => void board.refetch()} />
  const b = board.data
  const projects = b?.projects.filter((p) => !project || p.id === project)
  const people = b?.people.filter((p) => !project || p.projects.includes(project))
  return (
    <Page title={t('console.board.title')}>
      <Waiting at={b?.at} projects={projects} />
      <div className="mt-8 grid grid-cols-1 gap-x-12 gap-y-10 lg:grid-cols-[minmax(0,1fr)_300px]">
        <div className="min-w-0 space-y-10">
          <Part title={t('console.board.projects')}>
            {!projects ? <Rows n={3} /> : projects.length ? <ProjectRows at={b!.at} projects={projects} /> : <Empty title={t('console.board.noProjects')} words={t('console.board.noProjectsWords')} />}
          </Part>
          {may('leads:read') && <Latest project={project} />}
        </div>
        <Part title={t('console.board.people')}>{people ? <People people={people} /> : <Rows n={6} />}</Part>
      </div>
    </Page>
  )
}

/** The oldest lead that nobody has, and how many there are of what. */
function Waiting({ at, projects }: { at?: string; projects?: BoardNow['projects'] }) {
  const now = useNow(1000)
  if (!at || !projects) return <Block className="h-24 w-72" />
  const ages = projects.flatMap((p) => (p.oldest_waiting_ms == null ? [] : [p.oldest_waiting_ms]))
  const since = Date.parse(at)
  const age = ages.length ? Math.max(...ages) + Math.max(0, now - since) : null
  const late = age !== null && age > lostAfter
  const sum = (f: (p: BoardNow['projects'][number]) => number) => projects.reduce((n, p) => n + f(p), 0)
  return (
    <section aria-labelledby="oldest" className="grid items-end gap-x-14 md:grid-cols-[auto_minmax(0,1fr)]">
      <div className="min-w-44">
        <h2 id="oldest" className="text-sm font-medium text-soft">{t('console.board.oldest')}</h2>
        <p role="timer" className={cx('figures mt-1 text-hero font-semibold tracking-tight', late && 'text-warm', age === null && 'text-faint')}>{stopwatch(age ?? 0)}</p>
      </div>
      <p className={cx('mt-1.5 text-sm md:col-span-2 md:row-start-2', late ? 'font-medium text-warm' : 'text-soft')}>{age === null ? t('console.board.nobody') : late ? t('console.board.late') : t('console.board.soon')}</p>
      <dl className="mt-6 flex flex-wrap gap-x-10 gap-y-5 pb-1 md:col-start-2 md:row-start-1 md:mt-0">
        <Figure words={t('console.board.waiting')} n={sum((p) => p.waiting)} state="waiting" />
        <Figure words={t('console.board.offered')} n={sum((p) => p.offered)} state="offered" />
        <Figure words={t('console.board.owned')} n={sum((p) => p.owned)} state="owned" />
        <Today />
      </dl>
    </section>
  )
}

function Figure({ words, n, state }: { words: string; n: number; state: string }) {
  const may = useMay()
  return (
    <div>
      <dt className="text-sm text-soft">{words}</dt>
      <dd className="figures mt-0.5 text-xl font-semibold">
        {may('leads:read') ? <Link to="/console/leads" search={(s) => ({ project: s.project, state: state as LeadFilter['state'] })} className="underline-offset-4 hover:underline">{count(n)}</Link> : count(n)}
      </dd>
    </div>
  )
}

/** The figure the day is judged by. */
function Today() {
  const { project } = here.useSearch()
  const from = new Date()
  from.setHours(0, 0, 0, 0)
  const half = 30 * 60_000
  const to = new Date(Math.ceil((Date.now() + 1) / half) * half)
  const query = { from: new Date(Math.floor(from.getTime() / half) * half).toISOString(), to: to.toISOString(), by: 'project' as const }
  const figures = useQuery({ queryKey: ['figures', query], queryFn: () => ok(api.GET('/v1/reports/figures', { params: { query } })), refetchInterval: 60_000, placeholderData: keepPreviousData })
  const row = project ? figures.data?.rows.find((r) => r.id === project) : figures.data?.total
  const clock = row?.clocks.speed_to_lead
  if (!clock || clock.p50_ms == null) return null
  return (
    <div>
      <dt className="text-sm text-soft">{t('console.board.speed')}</dt>
      <dd className="figures mt-0.5 text-xl font-semibold">{clock.p50_ms < 3_600_000 ? stopwatch(clock.p50_ms) : span(clock.p50_ms)}</dd>
    </div>
  )
}

function ProjectRows({ at, projects }: { at: string; projects: BoardNow['projects'] }) {
  const may = useMay()
  const now = useNow(1000)
  const number = 'figures px-1.5 py-2 text-end last:pe-0 md:px-3'
  return (
    <div className="relative overflow-x-auto" tabIndex={0} role="group" aria-label={t('console.board.projects')}>
      <table className="w-full text-sm md:min-w-130">
        <thead>
          <tr className="border-b border-line text-xs text-soft">
            <th scope="col" className="py-2 pe-3 text-start align-bottom font-medium">{t('console.col.project')}</th>
            {(['waiting', 'queued', 'offered', 'owned', 'oldestAge'] as const).map((k) => <th key={k} scope="col" className="px-1.5 py-2 text-end align-bottom font-medium last:pe-0 md:px-3">{t(`console.board.${k}`)}</th>)}
          </tr>
        </thead>
        <tbody>
          {projects.map((p) => {
            const age = p.oldest_waiting_ms == null ? null : p.oldest_waiting_ms + Math.max(0, now - Date.parse(at))
            return (
              <tr key={p.id} className="border-b border-line hover:bg-hover">
                <th scope="row" className="py-2 pe-3 text-start font-medium">
                  {may('leads:read') ? <Link to="/console/leads" search={{ project: p.id }} className="underline-offset-4 hover:underline">{p.name}</Link> : p.name}
                  {!p.pool && <span className="ms-2 text-xs font-normal text-faint">{t('console.board.noPool')}</span>}
                </th>
                <td className={number}>{count(p.waiting)}</td>
                <td className={cx(number, p.queued > 0 && 'font-semibold text-warm')}>{count(p.queued)}</td>
                <td className={number}>{count(p.offered)}</td>
                <td className={number}>{count(p.owned)}</td>
                <td className={cx(number, 'md:w-28', age !== null && age > lostAfter && 'font-semibold text-warm')}>{age === null ? '–' : stopwatch(age)}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

/** Leads as they come in, newest first; nobody's name. */
function Latest({ project }: { project?: string }) {
  const latest = useQuery({
    queryKey: ['leads', 'latest', project ?? ''],
    queryFn: () => ok(api.GET('/v1/leads', { params: { query: { limit: 10, project } } })).then((l) => l.items),
    placeholderData: keepPreviousData,
  })
  return (
    <Part title={t('console.board.arriving')}>
      {latest.isPending && <Rows n={5} />}
      {latest.data?.length === 0 && <Empty title={t('console.board.none')} words={t('console.board.noneWords')} />}
      <ul>
        {latest.data?.map((l) => <Arrived key={l.id} lead={l} />)}
      </ul>
    </Part>
  )
}

function Arrived({ lead: l }: { lead: Lead }) {
  return (
    <li className="arrives border-b border-line">
      <Link to="/console/leads/$id" params={{ id: l.id }} className="grid min-h-11 grid-cols-[minmax(0,1fr)_auto_64px] items-center gap-3 text-sm hover:bg-hover md:-mx-2 md:grid-cols-[minmax(0,1fr)_minmax(0,1fr)_auto_64px] md:px-2">
        <span dir="auto" className="match min-w-0 truncate font-medium">
          {l.project.name}
          <span className="font-normal text-soft"> · {l.source.name}</span>
        </span>
        <span className="hidden min-w-0 truncate text-soft md:block">{l.owner_name ?? (l.re_enquiry ? t('console.lead.again') : '')}</span>
        <LeadState state={l.state} />
        <Ago at={l.created_at} className="text-end text-soft" />
      </Link>
    </li>
  )
}

const order = ['available', 'engaged', 'away', 'logged-off']

function People({ people }: { people: BoardNow['people'] }) {
  const sorted = [...people].sort((a, b) => order.indexOf(a.presence) - order.indexOf(b.presence) || a.name.localeCompare(b.name))
  const most = Math.max(1, ...people.map((p) => p.owned))
  if (!people.length) return <Empty title={t('console.board.noPeople')} words={t('console.board.noPeopleWords')} />
  return (
    <ul>
      {sorted.map((p) => (
        <li key={p.id} className="grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-3 gap-y-1 border-b border-line py-2">
          <span className="min-w-0 truncate font-medium">{p.name}</span>
          <Presence state={p.presence} />
          <span className="flex items-center gap-2 text-sm text-soft">
            <span aria-hidden className="h-1 w-20 shrink-0 overflow-hidden rounded-full bg-hover">
              <span className={cx('block h-full rounded-full bg-accent', widths[Math.round((p.owned / most) * 8)])} />
            </span>
            <span className="whitespace-nowrap">{t('console.board.has', { count: p.owned })}</span>
          </span>
          <span className="text-end text-xs text-soft">
            {p.open_offers > 0 ? t('console.board.isAsked', { count: p.open_offers }) : p.presence === 'available' && !p.on_shift ? t('console.board.offShift') : ''}
          </span>
        </li>
      ))}
    </ul>
  )
}
const widths = ['w-0', 'w-1/8', 'w-2/8', 'w-3/8', 'w-4/8', 'w-5/8', 'w-6/8', 'w-7/8', 'w-full']
