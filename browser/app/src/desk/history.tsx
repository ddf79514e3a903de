import type { ReactNode } from 'react'
import { money, span } from '../lib/format'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Icon, type IconName } from '../ui/icon'
import { Block } from '../ui/skeleton'
import { When } from '../ui/time'
import { type Lead, type Story, useVisit } from './data'
import { contentOf } from './local/content'
import { useLocal } from './local/state'

const marks = { utm_source: 'source', utm_medium: 'medium', utm_campaign: 'campaign', utm_term: 'term', utm_content: 'content' } as const

/** What the person asked, in their words, and where they came from. */
export function Asked({ story }: { story?: Story }) {
  if (!story) return <Block className="mx-4 mt-6 h-20" />
  const last = story.enquiries[0]
  if (!last) return null
  const facts = Object.entries({ ...(last.custom as Record<string, unknown>), ...(last.personal_custom as Record<string, unknown> | undefined) }).map(([name, value]) => [named(name), value] as const)
  const from = Object.entries(marks).flatMap(([mark, word]) => {
    const value = (last.attribution as Record<string, unknown>)[mark]
    return typeof value === 'string' && value ? [[t(`desk.from.${word}`), value] as const] : []
  })
  return (
    <section className="mx-4 mt-6">
      <h2 className="text-sm text-soft">{t('desk.lead.asked')}</h2>
      {last.message ? <p dir="auto" className="match mt-1 text-base whitespace-pre-line wrap-anywhere">{last.message}</p> : <p className="mt-1 text-soft">{t('desk.lead.noMessage')}</p>}
      {(facts.length > 0 || from.length > 0) && (
        <dl className="mt-3 grid grid-cols-[max-content_1fr] gap-x-4 gap-y-1 text-sm">
          {[...facts, ...from].map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-soft">{name}</dt>
              <dd className="wrap-anywhere">{String(value)}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  )
}

/** A field's name as its form has it, made readable: "move_in" is "Move in". */
const named = (field: string) => {
  const words = field.replace(/[_-]+/g, ' ').trim()
  return words.charAt(0).toLocaleUpperCase() + words.slice(1)
}

interface Entry {
  key: string
  at: string
  icon: IconName
  title: ReactNode
  words?: ReactNode
  action?: ReactNode
}

/** Everything that happened, newest first. */
export function History({ lead, story, canWork }: { lead: Lead; story?: Story; canWork: boolean }) {
  const visit = useVisit(lead.id)
  const waiting = useWaiting(lead.id)
  if (!story) return <Block className="mx-4 mt-8 h-40" />
  const entries = [...waiting, ...entriesOf(story)]
  const planned = story.visits.filter((v) => v.state === 'planned')
  return (
    <section className="mx-4 mt-8">
      {planned.map((v) => (
        <div key={v.id} className="mb-6 rounded-lg border border-line bg-surface p-4">
          <p className="flex items-center gap-2 font-semibold"><Icon name="home" className="text-faint" />{t('desk.story.visit')} · <When at={v.at} /></p>
          {v.place && <p className="mt-1 text-soft wrap-anywhere">{v.place}</p>}
          {canWork && (
            <div className="mt-3 flex flex-wrap gap-2">
              {(['done', 'no-show', 'cancelled'] as const).map((state) => (
                <Button key={state} disabled={visit.isPending} onClick={() => visit.mutate({ visit: v.id, state })}>{t(`desk.visit.${state}`)}</Button>
              ))}
            </div>
          )}
        </div>
      ))}
      <h2 className="text-base font-semibold">{t('desk.story.title')}</h2>
      <ol className="mt-3">
        {entries.map((e, i) => (
          <li key={e.key} className="relative flex gap-3.5 pb-5">
            {i < entries.length - 1 && <span aria-hidden className="absolute start-3.5 top-8 bottom-0 w-px bg-line" />}
            <span className="grid size-7 shrink-0 place-items-center rounded-full bg-sunken text-soft"><Icon name={e.icon} className="size-4" /></span>
            <div className="min-w-0 flex-1 pt-0.5">
              <p className="flex flex-wrap items-baseline justify-between gap-x-3">
                <span className="font-medium">{e.title}</span>
                <When at={e.at} className="text-sm text-soft" />
              </p>
              {e.words && <p dir="auto" className="match mt-0.5 whitespace-pre-line text-soft wrap-anywhere">{e.words}</p>}
            </div>
          </li>
        ))}
      </ol>
    </section>
  )
}

/** What was done here and the server has not heard of yet, newest first. */
function useWaiting(lead: string): Entry[] {
  const { entries } = useLocal()
  return entries
    .filter((e) => e.lead === lead)
    .map((e) => ({ key: e.id, at: e.at, icon: e.refused ? ('warn' as const) : ('clock' as const), title: `${t(`desk.local.kind.${e.kind}`)} · ${e.refused ? t('desk.local.notTaken') : t('desk.local.notYet')}`, words: contentOf(e) }))
    .reverse()
}

const channelIcon: Record<string, IconName> = { call: 'phone', whatsapp: 'chat', sms: 'message', email: 'mail', 'in-person': 'person' }

function entriesOf(s: Story): Entry[] {
  const out: Entry[] = [
    ...s.enquiries.map((e, i) => ({ key: e.id, at: e.received_at, icon: 'bell' as const, title: t(e.re_enquiry ? 'desk.story.enquiredAgain' : 'desk.story.enquired', { source: e.source.name }), words: i > 0 ? e.message : undefined })),
    ...s.attempts.map((a) => ({
      key: a.id,
      at: a.started_at,
      icon: channelIcon[a.channel] ?? 'phone',
      title: `${tOf('desk.channel', a.channel)}: ${tOf('desk.disposition', a.disposition)}`,
      words: a.talk_ms ? t('desk.story.talked', { span: span(a.talk_ms) }) : undefined,
    })),
    ...s.notes.map((n) => ({ key: n.id, at: n.created_at, icon: 'note' as const, title: t('desk.story.note'), words: n.text ?? t('desk.lead.erased') })),
    ...(s.history.owners ?? []).map((o) => ({ key: 'o' + o.from + o.user_id, at: o.from, icon: 'person' as const, title: t('desk.story.owner', { name: o.name }), words: undefined })),
    ...(s.history.stages ?? []).map((m) => ({ key: 's' + m.at + m.to.id, at: m.at, icon: 'flag' as const, title: t('desk.story.stage', { stage: m.to.name }), words: m.reason || undefined })),
    ...s.visits.filter((v) => v.state !== 'planned').map((v) => ({ key: v.id, at: v.changed_at, icon: 'home' as const, title: `${t('desk.story.visit')}: ${tOf('desk.visit', v.state)}`, words: v.place ?? undefined })),
    ...s.bookings.map((b) => ({ key: b.id, at: b.booked_at, icon: 'flag' as const, title: `${t(b.cancelled_at ? 'desk.story.unbooked' : 'desk.story.booked')} · ${money(b.value_minor, b.currency)}`, words: b.unit || undefined })),
  ]
  return out.sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
}
