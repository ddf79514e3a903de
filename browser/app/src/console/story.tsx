import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { Fragment, lazy, type ReactNode, Suspense, useState } from 'react'
import { api, ok } from '../lib/api'
import { useNow } from '../lib/clock'
import { faultOf } from '../lib/fault'
import { count, span, stopwatch } from '../lib/format'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { purpose, useSession } from '../lib/session'
import { t, tOf, useArea } from '../lib/words'
import { Missing } from '../root'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Confirm } from '../ui/dialog'
import { Icon } from '../ui/icon'
import { Block, Rows } from '../ui/skeleton'
import { Ago, When } from '../ui/time'
import { say, sayFault } from '../ui/toast'
import { BulkTransfer } from './bulk'
import { type Lead, useFresh } from './data'
import { Page, Part, Sorry } from './page'
import { LeadState, Stage } from './states'
import { Course } from './course'
import { Openings } from './openings'

const Files = lazy(() => useArea('attached').then(() => import('../attached/files')).then((m) => ({ default: m.Files })))
const here = getRouteApi('/inside/console/leads/$id')

/** One lead, from the first enquiry until now: what happened, who decided what, and why. */
export function Story() {
  const { id } = here.useParams()
  const path = { path: { id } }
  const may = useMay()
  const me = useSession()
  const lead = useQuery({ queryKey: ['lead', id], queryFn: () => ok(api.GET('/v1/leads/{id}', { params: path, headers: { 'Catchment-Purpose': purpose() } })) })
  useFresh(/^(lead|offer|attempt|note|enquiry|visit|booking|person|alarm)\./, ['lead', id], ['course', id])
  if (lead.isError && faultOf(lead.error).status === 404) return <Missing />
  if (lead.isError && !lead.data) return <Sorry error={lead.error} again={() => void lead.refetch()} />
  const l = lead.data
  const reach = may('leads:work')
  const works = reach === 'all' || reach === 'teams' || (reach === 'mine' && !!me && l?.owner_id === me.user_id)
  if (!l) return <Page title={<Block className="h-8 w-56" />}><Rows n={6} tall /></Page>
  return (
    <Page
      title={
        <span className="flex flex-wrap items-center gap-3">
          {nameOf(l)}
          <LeadState state={l.state} />
          <Stage stage={l.stage} />
          {l.test && <Badge>{t('console.lead.test')}</Badge>}
        </span>
      }
      words={<>{l.project.name} · {l.source.name} · <When at={l.created_at} /></>}
      action={<Acts lead={l} />}
    >
      <Clocks lead={l} />
      <div className="mt-9 grid grid-cols-1 gap-x-14 gap-y-10 lg:grid-cols-[minmax(0,1fr)_300px]">
        <Part title={t('console.story.title')}><Course lead={l} /></Part>
        <div className="min-w-0 space-y-8">
          <Person lead={l} />
          <Facts lead={l} />
          <Suspense fallback={<Block className="h-24" />}><Files lead={l.id} canWork={works} title="text-base font-semibold" /></Suspense>
          {may('record:read') && <Openings lead={l.id} />}
        </div>
      </div>
    </Page>
  )
}

const nameOf = (l: Lead) => (l.person?.erased ? t('console.lead.erased') : l.person?.name || l.person?.phone || l.person?.email || t('console.lead.one'))

/** How fast it went, the most important first and largest; how each is known. */
function Clocks({ lead: l }: { lead: Lead }) {
  const now = useNow(1000)
  const c = l.clocks
  const open = !l.test && l.state !== 'unrouted' && c.speed_to_lead_ms == null && !l.closed_at
  const running = open ? now - Date.parse(l.created_at) : null
  const rest = (['time_to_offer', 'time_to_accept', 'first_response', 'time_to_contact', 'talk'] as const).map((k) => ({ k, ms: k === 'talk' ? c.talk_ms : c[`${k}_ms`], how: c.evidence[k] }))
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-5 border-y border-line py-5 md:grid-cols-5 lg:flex lg:flex-wrap lg:items-end lg:gap-x-12">
      <div className="col-span-2 min-w-48 md:col-span-5">
        <dt className="text-sm font-medium text-soft">{t('console.clock.speed_to_lead')}</dt>
        <dd className={cx('figures mt-1 text-hero font-semibold tracking-tight', running !== null && running > 60_000 && 'text-warm')}>{running !== null ? stopwatch(running) : c.speed_to_lead_ms == null ? '–' : lasted(c.speed_to_lead_ms)}</dd>
        <dd className="mt-1.5 text-sm text-soft">{running !== null ? t('console.clock.runs') : tOf('console.evidence', c.evidence.speed_to_lead)}</dd>
      </div>
      {rest.map(({ k, ms, how }) => (
        <div key={k}>
          <dt className="text-sm text-soft">{t(`console.clock.${k}`)}</dt>
          <dd className="figures mt-0.5 text-xl font-semibold">{ms == null ? '–' : lasted(ms)}</dd>
          <dd className="mt-0.5 text-xs text-faint">{tOf('console.evidence', how)}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Under a second in milliseconds, under a minute to the tenth of a second, then as a stopwatch has it. */
export const lasted = (ms: number) => (ms < 1000 ? t('console.ms', { n: ms }) : ms < 60_000 ? t('console.seconds', { n: count(Math.round(ms / 100) / 10) }) : ms < 86_400_000 ? stopwatch(ms) : span(ms))

function Acts({ lead: l }: { lead: Lead }) {
  const may = useMay()
  const [open, show] = useState<'give' | 'pool' | null>(null)
  const back = useMutation({
    mutationFn: () => ok(api.POST('/v1/leads/{id}/handover', { params: { path: { id: l.id } }, body: { pool: true, reason: 'back-to-routing' } })),
    onSuccess: () => say(t('console.lead.isBack'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => {
      show(null)
      void queries.invalidateQueries({ queryKey: ['lead', l.id] })
      void queries.invalidateQueries({ queryKey: ['course', l.id] })
    },
  })
  if (l.test || l.closed_at) return null
  return (
    <>
      {l.state === 'owned' && may('leads:work') === 'all' && <Button icon="route" onClick={() => show('pool')}>{t('console.lead.toPool')}</Button>}
      {may('leads:move') && <Button look="primary" icon="swap" onClick={() => show('give')}>{t('console.bulk.go')}</Button>}
      {open === 'give' && <BulkTransfer leads={[l]} onClose={() => { show(null); void queries.invalidateQueries({ queryKey: ['lead', l.id] }); void queries.invalidateQueries({ queryKey: ['course', l.id] }) }} />}
      <Confirm open={open === 'pool'} onClose={() => show(null)} title={t('console.lead.poolAsk')} words={t('console.lead.poolWords')} verb={t('console.lead.toPool')} busy={back.isPending} onYes={() => back.mutate()} />
    </>
  )
}

function Person({ lead: l }: { lead: Lead }) {
  const may = useMay()
  const p = l.person
  return (
    <Part title={t('console.lead.person')} action={may('record:read') && <span className="inline-flex items-center gap-1 text-xs text-soft" title={t('console.leads.onRecord')}><Icon name="opened" className="size-4" />{t('console.lead.opened')}</span>}>
      {!p || p.erased ? <p className="text-soft">{p?.erased ? t('console.lead.erasedWords') : t('console.lead.sealed')}</p> : (
        <dl className="space-y-2.5">
          <Fact words={t('console.person.name')}>{p.name ?? '–'}</Fact>
          <Fact words={t('console.person.phone')}>{p.masked ? <span className="ltr figures">{p.phone ?? '–'}</span> : p.phone ? <a href={'tel:' + p.phone} className="ltr figures underline-offset-4 hover:underline">{p.phone}</a> : '–'}</Fact>
          <Fact words={t('console.person.email')}>{p.masked ? <span className="ltr">{p.email ?? '–'}</span> : p.email ? <a href={'mailto:' + p.email} className="ltr wrap-anywhere underline-offset-4 hover:underline">{p.email.split(/(?<=@)/).map((part, i) => <Fragment key={i}>{i > 0 && <wbr />}{part}</Fragment>)}</a> : '–'}</Fact>
        </dl>
      )}
      {may('privacy:manage') && !p?.erased && <Link to="/console/requests" search={{ person: l.person_id }} className="mt-3 inline-flex min-h-9 items-center text-sm text-accent underline-offset-4 hover:underline">{t('console.lead.asked')}</Link>}
      {!l.contactable && <p className="mt-3 flex items-center gap-2 rounded bg-lost-ground px-3 py-2 text-sm text-lost"><Icon name="warn" className="size-4" />{t('console.lead.notContactable')}</p>}
    </Part>
  )
}

function Facts({ lead: l }: { lead: Lead }) {
  return (
    <Part title={t('console.lead.stands')}>
      <dl className="space-y-2.5">
        <Fact words={t('console.col.owner')}>{l.owner_name ?? t('console.lead.nobody')}</Fact>
        {l.waiting_since && <Fact words={t('console.lead.waits')}><Ago at={l.waiting_since} className="text-warm" /></Fact>}
        <Fact words={t('console.col.next')}>{l.next_at ? <span className={l.overdue ? 'font-medium text-warm' : ''}>{tOf('console.next', l.next_what ?? 'other')} · <When at={l.next_at} /></span> : t('console.lead.noNext')}</Fact>
        <Fact words={t('console.lead.enquiries')}>{count(l.enquiries)}</Fact>
        <Fact words={t('console.lead.offers')}>{count(l.offers_made)}</Fact>
        {l.reason && <Fact words={t('console.lead.reason')}>{l.reason}</Fact>}
        {l.tags.length > 0 && <Fact words={t('console.lead.tags')}><span className="flex flex-wrap gap-1.5">{l.tags.map((g) => <Link key={g} to="/console/leads" search={{ tag: g }} className="rounded-full bg-sunken px-2 text-sm hover:bg-hover">{g}</Link>)}</span></Fact>}
        {l.previous_id && <Fact words={t('console.lead.previous')}><Link to="/console/leads/$id" params={{ id: l.previous_id }} className="text-accent underline underline-offset-4">{t('console.lead.see')}</Link></Fact>}
        <Fact words={t('console.lead.id')}><span dir="ltr" className="font-mono text-xs break-all">{l.id}</span></Fact>
      </dl>
    </Part>
  )
}

export function Fact({ words, children }: { words: string; children: ReactNode }) {
  return (
    <div className="grid grid-cols-[104px_minmax(0,1fr)] gap-3">
      <dt className="text-sm text-soft">{words}</dt>
      <dd className="min-w-0 text-sm">{children}</dd>
    </div>
  )
}
