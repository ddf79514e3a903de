import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Part } from './page'
import type { Rules } from './policies'

type Props = { rules: Rules; change: (r: Rules) => void }
const two = (n: number) => String(n).padStart(2, '0')
/** A minute of the day, "09:00"; its end is its last minute. */
export const timeOf = (minute: number) => (minute >= 1440 ? '23:59' : `${two(Math.floor(minute / 60))}:${two(minute % 60)}`)
export const minuteOf = (time: string) => {
  const [h, m] = time.split(':').map(Number)
  return (h ?? 0) * 60 + (m ?? 0)
}
/** Until the last minute of a day is until its end. */
export const endOf = (time: string) => (time === '23:59' ? 1440 : minuteOf(time))

export const workWeek = [1, 2, 3, 4, 5].map((weekday) => ({ weekday, start_minute: 540, end_minute: 1080 }))
type Span = (typeof workWeek)[number]

/** Hours of the week, a row each: the day, from, until. */
export function HourRows({ hours, set, disabled }: { hours: Span[]; set: (next: Span[]) => void; disabled?: boolean }) {
  const put = (i: number, part: Partial<Span>) => set(hours.map((h, j) => (j === i ? { ...h, ...part } : h)))
  return (
    <ul className="space-y-2">
      {hours.map((h, i) => (
        <li key={i} className="grid grid-cols-[1fr_auto_1fr_auto] items-center gap-2 md:flex">
          <Select hideLabel disabled={disabled} label={t('console.draft.weekday')} className="col-span-3 md:w-36" value={String(h.weekday)} onChange={(v) => put(i, { weekday: Number(v) })} choices={[1, 2, 3, 4, 5, 6, 0].map((d) => ({ value: String(d), label: tOf('console.day', 'd' + d) }))} />
          <Field hideLabel disabled={disabled} label={t('console.draft.from')} type="time" required value={timeOf(h.start_minute)} onChange={(e) => e.target.value && put(i, { start_minute: minuteOf(e.target.value) })} className="md:w-32" />
          <span className="text-soft max-md:text-center">{t('console.draft.to')}</span>
          <Field hideLabel disabled={disabled} label={t('console.draft.until')} type="time" required value={timeOf(h.end_minute)} onChange={(e) => e.target.value && put(i, { end_minute: endOf(e.target.value) })} className="md:w-32" />
          {!disabled && <Button type="button" look="quiet" icon="cross" className="max-md:col-start-4 max-md:row-start-1" aria-label={t('console.draft.removeHours')} onClick={() => set(hours.filter((_, j) => j !== i))} />}
        </li>
      ))}
    </ul>
  )
}

/** When leads are offered at all; outside they wait. */
export function Hours({ rules, change }: Props) {
  const hours = rules.hours ?? []
  const set = (next: typeof hours) => change({ ...rules, hours: next.length ? next : undefined })
  const add = () => {
    const free = [1, 2, 3, 4, 5, 6, 0].find((d) => !hours.some((h) => h.weekday === d)) ?? 1
    set([...hours, { weekday: free, start_minute: 540, end_minute: 1080 }])
  }
  return (
    <Part title={t('console.draft.hours')} action={<Button type="button" icon="plus" onClick={() => (hours.length ? add() : set(workWeek))}>{hours.length ? t('console.draft.addHours') : t('console.draft.setHours')}</Button>}>
      {hours.length === 0 && <p className="text-soft">{t('console.draft.always')}</p>}
      <HourRows hours={hours} set={set} />
      {hours.length > 0 && (
        <Field className="mt-4 max-w-110" label={t('console.draft.holidays')} help={t('console.draft.holidaysHelp')} defaultValue={(rules.holidays ?? []).join(', ')} inputClass="ltr" autoComplete="off"
          onChange={(e) => {
            const days = e.target.value.split(/[\s,]+/).filter(Boolean)
            change({ ...rules, holidays: days.length ? days : undefined })
          }} />
      )}
    </Part>
  )
}

const limits = ['capacity_open', 'capacity_day', 'cool_down_seconds', 'away_after_misses', 'reachable_seconds'] as const

/** How much one person gets at most; empty is without a limit. */
export function Limits({ rules, change }: Props) {
  return (
    <Part title={t('console.draft.limits')}>
      <div className="grid gap-4 md:grid-cols-2">
        {limits.map((k) => (
          <Field key={k} type="number" min={k === 'reachable_seconds' ? 120 : 1} label={t(`console.limit.${k}`)} help={t(`console.limitHelp.${k}`)} placeholder={t('console.draft.noLimit')} value={rules[k] || ''} inputClass="figures"
            onChange={(e) => change({ ...rules, [k]: Number(e.target.value) || undefined })} />
        ))}
      </div>
    </Part>
  )
}

/** Service levels: what happens when a limit of time runs out. */
export function Levels({ rules, change }: Props) {
  const clocks = rules.clocks ?? []
  const set = (next: typeof clocks) => change({ ...rules, clocks: next.length ? next : undefined })
  const put = (i: number, part: Partial<(typeof clocks)[number]>) => set(clocks.map((c, j) => (j === i ? { ...c, ...part } : c)))
  const kinds = ['offer_to_accept', 'accept_to_attempt', 'attempt_to_contact'] as const
  const free = kinds.find((k) => !clocks.some((c) => c.clock === k))
  return (
    <Part title={t('console.draft.levels')} action={free && <Button type="button" icon="plus" onClick={() => set([...clocks, { clock: free, seconds: 900, hours: 'business', then: 'alert' }])}>{t('console.draft.addLevel')}</Button>}>
      {clocks.length === 0 && <p className="text-soft">{t('console.draft.noLevels')}</p>}
      <ul className="space-y-3">
        {clocks.map((c, i) => (
          <li key={i} className="grid items-end gap-2 border-t border-line pt-3 md:grid-cols-[minmax(0,1.4fr)_110px_minmax(0,1fr)_minmax(0,1fr)_auto]">
            <Select label={t('console.draft.clock')} value={c.clock} onChange={(clock) => put(i, { clock })} choices={kinds.filter((k) => k === c.clock || !clocks.some((x) => x.clock === k)).map((k) => ({ value: k, label: t(`console.level.${k}`) }))} />
            <Field label={t('console.draft.minutes')} type="number" min={1} required value={c.seconds / 60} onChange={(e) => put(i, { seconds: Math.round(Number(e.target.value) * 60) })} inputClass="figures" />
            <Select label={t('console.draft.counted')} value={c.hours ?? 'wall_clock'} onChange={(hours) => put(i, { hours })} choices={(['wall_clock', 'business'] as const).map((v) => ({ value: v, label: t(`console.counted.${v}`) }))} />
            <Select label={t('console.draft.then')} value={c.then} onChange={(then) => put(i, { then })} choices={(['alert', 'reassign', 'both'] as const).map((v) => ({ value: v, label: t(`console.then.${v}`) }))} />
            <Button type="button" look="quiet" icon="cross" aria-label={t('console.draft.removeLevel')} onClick={() => set(clocks.filter((_, j) => j !== i))} />
          </li>
        ))}
      </ul>
    </Part>
  )
}
