import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useRef } from 'react'
import { serverNow } from '../lib/clock'
import { faultOf } from '../lib/fault'
import { dayName } from '../lib/format'
import { useListKeys } from '../lib/keys'
import { t } from '../lib/words'
import { Empty } from '../ui/empty'
import { Rows } from '../ui/skeleton'
import { Tabs } from '../ui/tabs'
import { faultWords } from '../ui/toast'
import { type Lead, useDay } from './data'
import { type Asked, firstOf, type ListName, lists, named } from './lists'
import { Nudge } from './nudge'
import { LeadRow } from './row'

/** What there is to do, the most pressing list first. */
export function Day() {
  const asked = (useSearch({ strict: false }) as { list?: ListName }).list
  const go = useNavigate()
  const n = useCounts()
  const first = useDay('first', true, !asked)
  const list = asked ?? named(first.data?.list) ?? firstOf(n) ?? 'today'
  const box = useRef<HTMLDivElement>(null)
  useListKeys(box, { next: t('desk.list.next'), before: t('desk.list.before') })
  return (
    <main className="mx-auto max-w-200 md:pt-6">
      <Nudge />
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 px-4 pt-5 pb-2">
        <h1 className="text-xl font-semibold tracking-tight">{t('desk.nav.day')}</h1>
        <p className="text-sm text-soft">{dayName(serverNow())}</p>
      </div>
      <Tabs
        label={t('desk.list.label')}
        value={list}
        onChange={(l) => void go({ to: '/desk', search: { list: l }, replace: true })}
        tabs={lists.map((l) => ({ value: l, label: t(`desk.list.${l}`), n: n[l], warm: l === 'overdue' || l === 'new' || l === 'returned' }))}
      >
        <div ref={box}><List list={list} shown={asked || first.isError ? list : 'first'} /></div>
      </Tabs>
    </main>
  )
}

function useCounts(): Partial<Record<ListName, number>> {
  const overdue = useDay('overdue', false)
  const today = useDay('today', false)
  const fresh = useDay('new', false)
  const missed = useDay('missed', false)
  const returned = useDay('returned', false)
  const idle = useDay('idle', false)
  const all = { overdue, today, new: fresh, missed, returned, idle }
  return Object.fromEntries(lists.map((l) => [l, all[l].data?.items.length ?? (all[l].isError ? 0 : undefined)])) as Partial<Record<ListName, number>>
}

/** Names are an opening on the record: which list has the first lead, the server knows best. */
function List({ list, shown }: { list: ListName; shown: Asked }) {
  const day = useDay(shown, true)
  if (day.isPending) return <Rows tall n={7} />
  if (day.isError) {
    const said = faultWords(faultOf(day.error))
    return <Empty title={said.title} words={said.words} />
  }
  if (day.data.items.length === 0) {
    return (
      <Empty title={t(`desk.empty.${list}`)} words={t(`desk.emptyWords.${list}`)}>
        {list === 'today' && <Link to="/desk/search" className="font-medium text-accent underline underline-offset-4">{t('desk.nav.search')}</Link>}
      </Empty>
    )
  }
  return <ul>{day.data.items.map((l: Lead) => <LeadRow key={l.id} lead={l} about={list} />)}</ul>
}
