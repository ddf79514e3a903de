import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { lazy, Suspense, useRef } from 'react'
import { faultOf } from '../lib/fault'
import { useListKeys } from '../lib/keys'
import { type ListName, lists } from '../router'
import { t } from '../lib/words'
import { Empty } from '../ui/empty'
import { Rows } from '../ui/skeleton'
import { Tabs } from '../ui/tabs'
import { faultWords } from '../ui/toast'
import { type Lead, useDay } from './data'
import { LeadRow } from './row'

const Nudge = lazy(() => import('./nudge').then((m) => ({ default: m.Nudge })))

/** What there is to do, the most pressing list first. */
export function Day() {
  const asked = (useSearch({ strict: false }) as { list?: ListName }).list
  const go = useNavigate()
  const n = useCounts()
  const list = asked ?? lists.find((l) => (n[l] ?? 0) > 0) ?? 'today'
  const box = useRef<HTMLDivElement>(null)
  useListKeys(box, { next: t('desk.list.next'), before: t('desk.list.before') })
  return (
    <main className="mx-auto max-w-200 md:pt-6">
      <Suspense><Nudge /></Suspense>
      <h1 className="px-4 pt-5 pb-2 text-xl font-semibold tracking-tight">{t('desk.nav.day')}</h1>
      <Tabs
        label={t('desk.list.label')}
        value={list}
        onChange={(l) => void go({ to: '/desk', search: { list: l }, replace: true })}
        tabs={lists.map((l) => ({ value: l, label: t(`desk.list.${l}`), n: n[l], warm: l === 'overdue' || l === 'new' || l === 'returned' }))}
      >
        <div ref={box}><List list={list} /></div>
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
  return Object.fromEntries(lists.map((l) => [l, all[l].data?.items.length])) as Partial<Record<ListName, number>>
}

function List({ list }: { list: ListName }) {
  const day = useDay(list, true)
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
