import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { span } from '../lib/format'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Empty } from '../ui/empty'
import { Icon } from '../ui/icon'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { Ago } from '../ui/time'
import { say } from '../ui/toast'
import { type Alarm, type Lead, useAlarms, useBoard, useClearAlarm, useTransfer, useWaiting } from './data'
import { Mark } from './presence'

/** What a manager wants to know in a corridor: who waits, who is there; and to put one to the other. */
export function Team() {
  const waiting = useWaiting()
  const board = useBoard()
  const [moving, move] = useState<Lead | null>(null)
  const leads = [...(waiting.data?.items ?? [])].sort((a, b) => Date.parse(a.enquired_at) - Date.parse(b.enquired_at))
  const oldest = Math.max(0, ...(board.data?.projects ?? []).map((p) => p.oldest_waiting_ms ?? 0))
  return (
    <main className="mx-auto max-w-200 pb-10 md:pt-6">
      <h1 className="px-4 pt-5 text-xl font-semibold tracking-tight">{t('desk.nav.team')}</h1>
      {board.data && (
        <dl className="mt-4 grid grid-cols-3 border-y border-line">
          <Figure words={t('desk.team.oldest')} warm={oldest > 0}>{oldest ? span(oldest) : '–'}</Figure>
          <Figure words={t('desk.team.waiting')}>{board.data.projects?.reduce((n, p) => n + p.waiting, 0) ?? 0}</Figure>
          <Figure words={t('desk.team.there')}>{board.data.people?.filter((p) => p.presence === 'available').length ?? 0}</Figure>
        </dl>
      )}
      <Alarms />
      <h2 className="px-4 pt-6 pb-1 text-base font-semibold">{t('desk.team.waiting')}</h2>
      {waiting.isPending && <Rows n={3} tall />}
      {waiting.data && leads.length === 0 && <Empty title={t('desk.team.none')} words={t('desk.team.noneWords')} />}
      <ul>
        {leads.map((l) => (
          <li key={l.id} className="arrives flex min-h-18 items-center gap-3 border-b border-line px-4">
            <Ago at={l.enquired_at} className="w-20 shrink-0 text-base font-semibold text-warm" />
            <Link to="/desk/leads/$id" params={{ id: l.id }} className="min-w-0 flex-1 py-2">
              <span className="block truncate font-medium">{l.project.name}</span>
              <span className="block truncate text-sm text-soft">{l.source.name}</span>
            </Link>
            <Button icon="swap" onClick={() => move(l)}>{t('desk.team.give')}</Button>
          </li>
        ))}
      </ul>
      <h2 className="px-4 pt-8 pb-1 text-base font-semibold">{t('desk.team.people')}</h2>
      {board.isPending && <Rows n={4} />}
      <ul>{people(board.data?.people ?? []).map((p) => <PersonLine key={p.id} person={p} />)}</ul>
      <Give lead={moving} people={people(board.data?.people ?? [])} onClose={() => move(null)} />
    </main>
  )
}

type BoardPerson = NonNullable<NonNullable<ReturnType<typeof useBoard>['data']>['people']>[number]
const order = { available: 0, engaged: 1, away: 2, 'logged-off': 3 }
const people = (all: BoardPerson[]) => [...all].filter((p) => p.role === 'salesperson' || p.presence !== 'logged-off').sort((a, b) => order[a.presence] - order[b.presence] || a.owned - b.owned || a.name.localeCompare(b.name))

function Figure({ words, warm, children }: { words: string; warm?: boolean; children: React.ReactNode }) {
  return (
    <div className="flex flex-col-reverse justify-end border-s border-line px-4 py-3 first:border-s-0">
      <dt className="text-sm text-soft">{words}</dt>
      <dd className={cx('figures text-xl font-semibold', warm && 'text-warm')}>{children}</dd>
    </div>
  )
}

function PersonLine({ person, onChoose }: { person: BoardPerson; onChoose?: () => void }) {
  const inside = (
    <>
      <Mark state={person.presence} />
      <span className="min-w-0 flex-1 text-start">
        <span className="block truncate font-medium">{person.name}</span>
        <span className="block text-sm text-soft">
          {tOf('desk.presence.is', person.presence)} · <Ago at={person.since} />
          {!person.on_shift && <> · {t('desk.team.offShift')}</>}
        </span>
      </span>
      <span className="figures text-end text-sm text-soft">
        {t('desk.team.has', { count: person.owned })}
        {person.open_offers > 0 && <span className="block text-accent">{t('desk.team.asked')}</span>}
      </span>
    </>
  )
  const look = 'flex min-h-14 w-full items-center gap-3 border-b border-line px-4 py-1.5'
  return <li>{onChoose ? <button type="button" className={cx(look, 'hover:bg-hover focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent')} onClick={onChoose}>{inside}</button> : <div className={look}>{inside}</div>}</li>
}

function Give({ lead, people, onClose }: { lead: Lead | null; people: BoardPerson[]; onClose: () => void }) {
  const transfer = useTransfer()
  const give = (p: BoardPerson) =>
    lead &&
    transfer.mutate(
      { lead: lead.id, to: p.id },
      {
        onSuccess: () => {
          say(t('desk.team.given', { name: p.name }), { kind: 'good' })
          onClose()
        },
      },
    )
  return (
    <Sheet open={lead !== null} onClose={onClose} title={t('desk.team.giveTo')}>
      <ul className="-mx-5">{people.map((p) => <PersonLine key={p.id} person={p} onChoose={() => give(p)} />)}</ul>
    </Sheet>
  )
}

function Alarms() {
  const alarms = useAlarms()
  const clear = useClearAlarm()
  const list = alarms.data?.items ?? []
  if (list.length === 0) return null
  return (
    <section>
      <h2 className="px-4 pt-6 pb-1 text-base font-semibold">{t('desk.team.alarms')}</h2>
      <ul>
        {list.map((a) => (
          <li key={a.id} className="flex min-h-16 items-center gap-3 border-b border-line px-4">
            <Icon name="warn" className="text-warm" />
            {a.lead_id ? (
              <Link to="/desk/leads/$id" params={{ id: a.lead_id }} className="min-w-0 flex-1 py-2"><AlarmWords a={a} /></Link>
            ) : (
              <span className="min-w-0 flex-1 py-2"><AlarmWords a={a} /></span>
            )}
            <Button look="quiet" disabled={clear.isPending} onClick={() => clear.mutate(a.id)}>{t('desk.team.clear')}</Button>
          </li>
        ))}
      </ul>
    </section>
  )
}

function AlarmWords({ a }: { a: Alarm }) {
  return (
    <>
      <span className="block font-medium">{a.clock ? tOf('desk.clock', a.clock) : tOf('desk.alarm', a.kind)}</span>
      <span className="block truncate text-sm text-soft">{a.user_name && <>{a.user_name} · </>}<Ago at={a.due_at ?? a.began_at} phrase /></span>
    </>
  )
}
