import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { clockTime, full, money } from '../lib/format'
import { useMay } from '../lib/me'
import { purpose } from '../lib/session'
import { t, tOf } from '../lib/words'
import { cx } from '../ui/cx'
import { Icon, type IconName } from '../ui/icon'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { fieldWords, SealedChange, WasNow } from './changes'
import { all, type Lead, useActor } from './data'
import { Sorry } from './page'
import { Receipts } from './receipts'
import { lasted } from './story'

interface Step {
  at: string
  icon: IconName
  title: ReactNode
  more?: ReactNode
  tone?: 'good' | 'lost' | 'accent'
}

/** Everything that is known of the lead's way, read together. Nobody's name is opened for it but what was asked and written. */
function useCourse(l: Lead) {
  const may = useMay()
  const record = !!may('record:read')
  return useQuery({
    queryKey: ['course', l.id, record],
    queryFn: async () => {
      const path = { path: { id: l.id } }
      const headers = { 'Catchment-Purpose': purpose() }
      const [enquiries, decisions, offers, history, attempts, notes, visits, bookings, entries] = await Promise.all([
        all((cursor) => ok(api.GET('/v1/leads/{id}/enquiries', { params: { ...path, query: { limit: 100, cursor, include: ['message'] } }, headers }))),
        ok(api.GET('/v1/leads/{id}/decisions', { params: { ...path, query: { limit: 100 } } })).then((d) => d.items),
        ok(api.GET('/v1/leads/{id}/offers', { params: path })).then((d) => d.items),
        ok(api.GET('/v1/leads/{id}/history', { params: path })),
        all((cursor) => ok(api.GET('/v1/leads/{id}/attempts', { params: { ...path, query: { limit: 100, cursor } } }))),
        all((cursor) => ok(api.GET('/v1/leads/{id}/notes', { params: { ...path, query: { limit: 100, cursor } }, headers }))),
        all((cursor) => ok(api.GET('/v1/leads/{id}/visits', { params: { ...path, query: { limit: 100, cursor } }, headers }))),
        all((cursor) => ok(api.GET('/v1/leads/{id}/bookings', { params: { ...path, query: { limit: 100, cursor } } }))),
        record ? ok(api.GET('/v1/record', { params: { query: { about: l.id, limit: 100 } } })).then((d) => d.items) : [],
      ])
      return { enquiries, decisions, offers, history, attempts, notes, visits, bookings, entries }
    },
  })
}

export function Course({ lead }: { lead: Lead }) {
  const course = useCourse(lead)
  const name = useActor()
  if (course.isError && !course.data) return <Sorry error={course.error} again={() => void course.refetch()} />
  if (!course.data) return <Rows n={6} tall />
  const steps = stepsOf(course.data, lead, name).sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
  const first = Date.parse(steps[0]?.at ?? lead.created_at)
  return (
    <ol>
      {steps.map((s, i) => (
        <li key={i} className="grid grid-cols-[76px_28px_minmax(0,1fr)] gap-x-3">
          <time dateTime={s.at} title={full(s.at)} className="figures pt-1.5 text-end text-xs leading-tight text-soft">
            {clockTime(s.at)}
            {Date.parse(s.at) > first && <span className="block text-faint">+{lasted(Date.parse(s.at) - first)}</span>}
          </time>
          <span aria-hidden className="flex flex-col items-center">
            <span className={cx('grid size-7 shrink-0 place-items-center rounded-full', s.tone === 'good' ? 'bg-good-ground text-good' : s.tone === 'lost' ? 'bg-lost-ground text-lost' : s.tone === 'accent' ? 'bg-accent-ground text-accent' : 'bg-sunken text-soft')}>
              <Icon name={s.icon} className="size-4" />
            </span>
            {i < steps.length - 1 && <span className="w-px flex-1 bg-line" />}
          </span>
          <div className="min-w-0 pb-6">
            <p className="pt-1 font-medium">{s.title}</p>
            {s.more && <div className="mt-1 text-sm text-soft">{s.more}</div>}
          </div>
        </li>
      ))}
    </ol>
  )
}

type Known = NonNullable<ReturnType<typeof useCourse>['data']>
type Name = (id: string | null | undefined) => string
const channelIcon: Record<string, IconName> = { call: 'phone', whatsapp: 'chat', sms: 'message', email: 'mail', 'in-person': 'person' }

function stepsOf(k: Known, l: Lead, name: Name): Step[] {
  const taken = new Set(k.decisions.map((d) => d.offer_id))
  return [
    ...k.enquiries.map((e): Step => ({ at: e.received_at, icon: 'inlet', tone: 'accent', title: t(e.re_enquiry ? 'console.story.again' : 'console.story.enquired', { source: e.source.name }), more: <EnquiryWords e={e} /> })),
    ...k.decisions.map((d): Step => ({
      at: d.decided_at,
      icon: 'route',
      title: d.user_id ? (d.rule ? t('console.story.offeredBy', { name: name(d.user_id), rule: d.rule }) : t('console.story.offered', { name: name(d.user_id) })) : t('console.story.nobody'),
      more: <Why d={d} />,
    })),
    ...k.offers.filter((o) => !taken.has(o.id)).map((o): Step => ({ at: o.made_at, icon: 'bell', title: t('console.story.offered', { name: name(o.user_id) }) })),
    ...k.offers.filter((o) => o.resolved_at && o.state !== 'accepted').map((o): Step => ({
      at: o.resolved_at!, icon: 'cross', tone: 'lost', title: t(`console.story.offer.${o.state as 'declined' | 'expired' | 'lost' | 'error'}`, { name: name(o.user_id) }), more: o.reason || undefined,
    })),
    ...k.history.owners.map((o): Step => ({ at: o.from, icon: 'person', tone: 'good', title: o.reason === 'accepted' || o.reason === 'claimed' ? t(`console.story.owner.${o.reason}`, { name: o.name }) : t('console.story.owner.given', { name: o.name, by: name(o.by) }), more: o.reason === 'accepted' || o.reason === 'claimed' ? undefined : tOf('console.reason', o.reason) })),
    ...k.history.stages.map((s): Step => ({ at: s.at, icon: 'flag', tone: s.to.category === 'won' ? 'good' : s.to.category === 'dropped' ? 'lost' : undefined, title: t('console.story.stage', { from: s.from.name, to: s.to.name }), more: [name(s.by), s.reason].filter(Boolean).join(' · ') })),
    ...k.history.changes.map((c): Step => ({
      at: c.at, icon: 'pen', title: t('console.changes.by', { name: name(c.by), field: fieldWords(c.field) }),
      more: c.sealed ? <SealedChange lead={l.id} at={c.at} field={c.field} /> : <WasNow field={c.field} was={c.was} now={c.now} />,
    })),
    ...k.attempts.map((a): Step => ({
      at: a.started_at, icon: channelIcon[a.channel] ?? 'phone', tone: a.reached ? 'good' : undefined,
      title: `${tOf('console.channel', a.channel)}: ${tOf('console.disposition', a.disposition)}`,
      more: [name(a.user_id), a.talk_ms ? t('console.story.talked', { time: lasted(a.talk_ms) }) : '', tOf('console.evidence', a.evidence)].filter(Boolean).join(' · '),
    })),
    ...k.notes.map((n): Step => ({ at: n.created_at, icon: 'note', title: t('console.story.note', { name: name(n.by) }), more: <p dir="auto" className="match whitespace-pre-wrap text-ink">{n.text ?? t('console.lead.erased')}</p> })),
    ...k.visits.map((v): Step => ({ at: v.created_at, icon: 'calendar', title: t(`console.story.visit.${v.state}`), more: <><When at={v.at} />{v.place && ` · ${v.place}`}</> })),
    ...k.bookings.map((b): Step => ({ at: b.booked_at, icon: 'check', tone: b.cancelled_at ? 'lost' : 'good', title: t(b.cancelled_at ? 'console.story.bookingGone' : 'console.story.booking', { value: money(b.value_minor, b.currency) }), more: [b.unit, name(b.user_id)].filter(Boolean).join(' · ') })),
    ...k.entries.filter((r) => !told.has(r.action)).map((r): Step => ({ at: r.at, icon: 'book', title: t('console.story.record', { name: name(r.actor), action: tOf('console.action', r.action.replace('.', '-')) }), more: r.purpose && tOf('console.purpose', r.purpose) })),
    ...(l.queued_at ? [{ at: l.queued_at, icon: 'warn' as const, tone: 'lost' as const, title: t('console.story.queued') }] : []),
  ]
}
// What the record says that the story has already.
const told = new Set(['opened', 'lead.accepted', 'lead.claimed', 'lead.transferred', 'lead.stage_changed', 'attempt.made', 'note.added', 'leads.offered', 'lead.handed_over', 'person.correct'])

function EnquiryWords({ e }: { e: Schemas['Enquiry'] }) {
  const may = useMay()
  const from = [e.attribution.utm_source, e.attribution.utm_medium, e.attribution.utm_campaign].filter(Boolean).join(' · ')
  const custom = Object.entries({ ...e.custom, ...e.personal_custom })
  return (
    <div className="space-y-1">
      {e.message && <blockquote className="border-s-2 border-edge ps-3 whitespace-pre-wrap text-ink"><span dir="auto" className="match block">{e.message}</span></blockquote>}
      {from && <p><span className="text-faint">{t('console.story.from')}</span> {from}</p>}
      {custom.length > 0 && <p>{custom.map(([k, v]) => `${k}: ${String(v)}`).join(' · ')}</p>}
      {e.flags.length > 0 && <p className="text-soft">{e.flags.map((f) => tOf('console.flag', f)).join(' · ')}</p>}
      <p className="text-xs text-faint">{t('console.story.receipt')} <span dir="ltr" className="font-mono wrap-anywhere">{e.id}</span></p>
      {may('persons:open') && <Receipts enquiry={e.id} />}
    </div>
  )
}

/** Why this person, and why not the others. */
function Why({ d }: { d: Schemas['Decision'] }) {
  const chosen = d.candidates.filter((c) => c.reason === 'chosen')
  const others = d.candidates.filter((c) => c.reason !== 'chosen')
  const words = (c: Schemas['Candidate']) => {
    const own = tOf('console.why', c.reason)
    return own === c.reason ? c.words : own
  }
  return (
    <>
      {chosen.map((c) => <p key={c.user_id}>{words(c)}</p>)}
      {others.length > 0 && (
        <details className="mt-1">
          <summary className="inline-block min-h-6 cursor-default rounded-sm py-0.5 text-accent underline-offset-4 hover:underline">{t(d.user_id ? 'console.story.whyNot' : 'console.story.whyNobody', { count: others.length })}</summary>
          <ul className="mt-1.5 space-y-1 border-s-2 border-line ps-3">
            {others.map((c) => <li key={c.user_id}><span className="font-medium text-ink">{c.name}</span> {words(c)}</li>)}
          </ul>
        </details>
      )}
    </>
  )
}
