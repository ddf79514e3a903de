import { useQuery } from '@tanstack/react-query'
import { api, ok, type Schemas } from '../lib/api'
import { weekday } from '../lib/format'
import { t } from '../lib/words'
import { cx } from '../ui/cx'
import { Rows } from '../ui/skeleton'
import { useDaysOff } from './daysoff'
import { timeOf } from './limits'
import { Part } from './page'

const dayMS = 86_400_000
const marks = [0, 6, 12, 18, 24]
const tops = ['top-0', 'top-1/4', 'top-2/4', 'top-3/4', 'top-full']

/** The seven days from Monday of the week that is now in the zone, as "2026-03-02". */
function thisWeek(zone: string) {
  const today = Date.parse(new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date()))
  const monday = today - ((new Date(today).getUTCDay() + 6) % 7) * dayMS
  return { today: iso(today), days: Array.from({ length: 7 }, (_, i) => iso(monday + i * dayMS)) }
}
const iso = (at: number) => new Date(at).toISOString().slice(0, 10)

/** This week of somebody as a picture: a column a day, hours as bars, days off hatched. */
export function Week({ user, zone }: { user: string; zone: string }) {
  const shifts = useQuery({ queryKey: ['users', user, 'shifts'], queryFn: () => ok(api.GET('/v1/users/{id}/shifts', { params: { path: { id: user } } })) }).data?.shifts
  const { today, days } = thisWeek(zone)
  const [first, last] = [Number(days[0]!.slice(0, 4)), Number(days[6]!.slice(0, 4))]
  const lists = [useDaysOff(undefined, first), useDaysOff(user, first), useDaysOff(undefined, last), useDaysOff(user, last)]
  const off = lists.flatMap((l) => l.data ?? [])
  if (!shifts || lists.some((l) => l.isPending)) return <Part title={t('console.week.title')}><Rows n={4} /></Part>
  return (
    <Part title={t('console.week.title')}>
      <div className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-2">
        <div aria-hidden className="figures relative mt-9 h-36 w-5 text-xs text-soft">
          {marks.map((h, i) => <span key={h} className={cx('absolute end-0 -translate-y-1/2', tops[i])}>{h}</span>)}
        </div>
        <ol className="grid grid-cols-7 gap-1">
          {days.map((d) => {
            const hours = shifts.filter((s) => s.weekday === new Date(d).getUTCDay()).sort((a, b) => a.start_minute - b.start_minute)
            return <Day key={d} day={d} now={d === today} hours={hours} off={off.find((h) => h.from <= d && d <= h.until)} />
          })}
        </ol>
      </div>
    </Part>
  )
}

function Day({ day, now, hours, off }: { day: string; now: boolean; hours: Schemas['Shift'][]; off?: Schemas['Holiday'] }) {
  const spans = hours.map((s) => `${timeOf(s.start_minute)}–${timeOf(s.end_minute)}`)
  const says = off ? t('console.week.off', { name: off.name }) : spans.join(', ') || t('console.week.free')
  return (
    <li title={says}>
      <span className={cx('-mx-1 block h-9 text-center text-xs whitespace-nowrap', now ? 'font-semibold text-ink' : 'text-soft')}>
        {weekday(day)} <span className="figures block">{Number(day.slice(8))}</span>
      </span>
      <span className="sr-only">: {says}</span>
      <svg viewBox="0 0 1 1440" preserveAspectRatio="none" aria-hidden className={cx('h-36 w-full rounded-sm', off ? 'bg-[repeating-linear-gradient(45deg,var(--edge)_0_1px,transparent_1px_6px)]' : 'bg-sunken')}>
        {hours.map((s) => <rect key={s.start_minute} width="1" y={s.start_minute} height={s.end_minute - s.start_minute} className={off ? 'fill-accent opacity-25' : 'fill-accent'} />)}
      </svg>
    </li>
  )
}
