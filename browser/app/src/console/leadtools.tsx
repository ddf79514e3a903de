import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok } from '../lib/api'
import { span, when } from '../lib/format'
import { session } from '../lib/session'
import { t, tOf } from '../lib/words'
import type { LeadFilter } from '../router'
import { Button } from '../ui/button'
import { Menu } from '../ui/menu'
import { Select } from '../ui/select'
import { Chip, Chips as ChipList } from './chip'

/** What somebody keeps of the table on this device: the columns left out. Nothing of a lead. */
interface KeptState {
  hidden: string[]
}
export type Kept = [KeptState, (k: KeptState) => void]
const place = () => 'catchment.leads.' + (session.get()?.user_id ?? '')

export function useKept(): Kept {
  const [kept, set] = useState<KeptState>(() => {
    try {
      const k = JSON.parse(localStorage.getItem(place()) ?? '{}') as Partial<KeptState>
      return { hidden: Array.isArray(k.hidden) ? k.hidden : [] }
    } catch {
      return { hidden: [] }
    }
  })
  return [
    kept,
    (k) => {
      set(k)
      try {
        localStorage.setItem(place(), JSON.stringify(k))
      } catch {
        // no room: until the page is closed
      }
    },
  ]
}

export const hidden = ([k]: Kept, column: string) => k.hidden.includes(column)
const choosable = ['from', 'state', 'stage', 'owner', 'next', 'speed', 'age'] as const

/** Which columns the table has. */
export function Columns({ kept: [k, keep] }: { kept: Kept }) {
  return (
    <Menu
      trigger={<Button icon="board">{t('console.leads.columns')}</Button>}
      acts={choosable.map((c) => ({
        words: t(`console.col.${c}`),
        icon: k.hidden.includes(c) ? undefined : ('check' as const),
        run: () => keep({ ...k, hidden: k.hidden.includes(c) ? k.hidden.filter((x) => x !== c) : [...k.hidden, c] }),
      }))}
    />
  )
}

const spans = ['1', '7', '28', '90'] as const
const sinceDays = (days: number) => {
  const d = new Date()
  d.setHours(0, 0, 0, 0)
  d.setDate(d.getDate() - (days - 1))
  return d.toISOString()
}

type Span = Pick<LeadFilter, 'from' | 'to'>

/** When the leads came in, or what else the list is of. */
export function Times({ filter, set, className, label = t('console.filter.time') }: { filter: Span; set: (part: Span) => void; className: string; label?: string }) {
  const known = filter.to ? undefined : spans.find((d) => sinceDays(Number(d)) === filter.from)
  const other = !known && (filter.from || filter.to)
  return (
    <Select
      hideLabel
      className={className}
      label={label}
      value={known ?? (other ? '+' : '*')}
      onChange={(v) => v !== '+' && set({ from: v === '*' ? undefined : sinceDays(Number(v)), to: undefined })}
      choices={[{ value: '*', label: t('console.filter.anyTime') }, ...spans.map((d) => ({ value: d as string, label: d === '1' ? t('console.report.today') : t('console.backtest.last', { count: Number(d) }) })), ...(other ? [{ value: '+', label: t('console.filter.otherTime') }] : [])]}
    />
  )
}

/** What a figure led here by, each to be taken away. */
export function Chips({ filter, set }: { filter: LeadFilter; set: (part: Partial<LeadFilter>) => void }) {
  const pools = useQuery({ queryKey: ['teams'], enabled: !!filter.team, staleTime: 60_000, queryFn: () => ok(api.GET('/v1/reports/figures', { params: { query: { by: 'team' } } })).then((r) => r.rows) }).data
  if (filter.list) return null
  const [least = 0, below = 0] = filter.speed?.split('-').map(Number) ?? []
  const chips = [
    filter.campaign && { words: t('console.chip.campaign', { name: filter.campaign }), off: { campaign: undefined } },
    filter.origin && { words: t('console.chip.origin', { name: filter.origin }), off: { origin: undefined } },
    filter.category && { words: t('console.chip.category', { name: tOf('console.category', filter.category) }), off: { category: undefined } },
    filter.team && { words: t('console.chip.team', { name: pools?.find((p) => p.id === filter.team)?.name ?? '…' }), off: { team: undefined } },
    filter.came && { words: t('console.chip.came', { name: tOf('console.step', filter.came) }), off: { came: undefined } },
    filter.speed && { words: below ? t('console.chip.speed', { from: span(least), below: span(below) }) : t('console.chip.slower', { from: span(least) }), off: { speed: undefined } },
    filter.person && { words: t('console.chip.person'), off: { person: undefined } },
    filter.tag && { words: t('console.chip.tag', { name: filter.tag }), off: { tag: undefined } },
    filter.to && { words: filter.from ? t('console.chip.between', { from: when(filter.from), to: when(filter.to) }) : t('console.chip.until', { to: when(filter.to) }), off: { from: undefined, to: undefined } },
  ].filter((c) => !!c) as { words: string; off: Partial<LeadFilter> }[]
  if (!chips.length) return null
  return (
    <ChipList>{chips.map((c) => <Chip key={c.words} words={c.words} off={() => set(c.off)} />)}</ChipList>
  )
}
