import { Link } from '@tanstack/react-router'
import type { Schemas } from '../lib/api'
import { count } from '../lib/format'
import { t } from '../lib/words'
import { cx } from '../ui/cx'
import { Icon } from '../ui/icon'
import { When } from '../ui/time'
import { useUsers } from './data'
import type { Backtest } from './policies'
import { lasted } from './story'

type Result = NonNullable<Schemas['BacktestResult']>

/** A picture of what would have been another way. */
export function Outcome({ test, result: r }: { test: Backtest; result: Result }) {
  return (
    <div className="space-y-7">
      <div>
        <p className="figures text-hero font-semibold tracking-tight">{count(r.changed)}</p>
        <p className="mt-1 text-soft">{t('console.backtest.changed', { all: count(r.decisions), count: r.changed })}</p>
        <p className="mt-0.5 text-sm text-faint"><When at={test.from} /> – <When at={test.until} /></p>
      </div>
      {r.decisions === 0 ? <p className="text-soft">{t('console.backtest.nothing')}</p> : (
        <>
          <Sides r={r} />
          <Shares shares={r.shares} />
          <RuleRows rules={r.rules} />
          <Changes changes={r.changes} />
        </>
      )}
      {(r.asks_what_was_not_saved || r.unknown_leads > 0 || r.cut) && (
        <p className="flex items-start gap-2 text-sm text-soft"><Icon name="warn" className="mt-0.5 size-4" />{[r.asks_what_was_not_saved && t('console.backtest.notSaved'), r.unknown_leads > 0 && t('console.backtest.unknown', { count: r.unknown_leads }), r.cut && t('console.backtest.cut')].filter(Boolean).join(' ')}</p>
      )}
    </div>
  )
}

const heading = 'mb-2 text-sm font-semibold'

function Sides({ r }: { r: Result }) {
  const ms = (s: number) => lasted(Math.round(s * 1000))
  const rows: [string, string, string, boolean | null][] = [
    [t('console.backtest.offered'), count(r.was.leads_offered), count(r.would.leads_offered), better(r.would.leads_offered - r.was.leads_offered)],
    [t('console.backtest.never'), count(r.was.leads_never_offered), count(r.would.leads_never_offered), better(r.was.leads_never_offered - r.would.leads_never_offered)],
    [t('console.backtest.half'), ms(r.was.seconds_to_offer.p50), ms(r.would.seconds_to_offer.p50), better(r.was.seconds_to_offer.p50 - r.would.seconds_to_offer.p50)],
    [t('console.backtest.most'), ms(r.was.seconds_to_offer.p90), ms(r.would.seconds_to_offer.p90), better(r.was.seconds_to_offer.p90 - r.would.seconds_to_offer.p90)],
    [t('console.backtest.afterHours'), count(r.was.leads_waited_after_hours), count(r.would.leads_waited_after_hours), better(r.was.leads_waited_after_hours - r.would.leads_waited_after_hours)],
  ]
  return (
    <table className="w-full text-sm">
      <thead>
        <tr className="border-b border-line text-xs text-soft">
          <td />
          <th scope="col" className="py-2 text-end font-medium">{t('console.backtest.was')}</th>
          <th scope="col" className="py-2 ps-4 text-end font-medium">{t('console.backtest.would')}</th>
          <td className="w-9" />
        </tr>
      </thead>
      <tbody>
        {rows.map(([words, was, would, good]) => (
          <tr key={words} className="border-b border-line">
            <th scope="row" className="py-2 text-start font-normal">{words}</th>
            <td className="figures py-2 text-end text-soft">{was}</td>
            <td className={cx('figures py-2 ps-4 text-end font-medium', good === true && 'text-good', good === false && 'text-lost')}>{would}</td>
            <td className="ps-2">{good !== null && <Icon name={good ? 'check' : 'warn'} className={cx('size-4', good ? 'text-good' : 'text-lost')} />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
const better = (by: number) => (by === 0 ? null : by > 0)

/** Offers of each person: a line for what was, a bar for what would be. */
function Shares({ shares }: { shares: Result['shares'] }) {
  const most = Math.max(1, ...shares.flatMap((s) => [s.was, s.would]))
  return (
    <div>
      <h3 className={heading}>{t('console.backtest.shares')}</h3>
      <ul className="space-y-1.5">
        {[...shares].sort((a, b) => b.would - a.would).map((s) => (
          <li key={s.user_id} className="grid grid-cols-[minmax(0,9rem)_minmax(0,1fr)_6.5rem] items-center gap-3 text-sm">
            <span className="truncate">{s.name}</span>
            <svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden className="h-3.5 w-full overflow-visible rtl:-scale-x-100">
              <rect x="0" y="3" width={(s.would / most) * 100} height="8" className="fill-accent" />
              <rect x={Math.max(0, (s.was / most) * 100 - 0.4)} y="0" width="0.8" height="14" className="fill-ink" />
            </svg>
            <span className="figures text-end text-soft">{t('console.backtest.fromTo', { was: count(s.was), would: count(s.would) })}</span>
          </li>
        ))}
      </ul>
      <p className="mt-2 text-xs text-faint">{t('console.backtest.key')}</p>
    </div>
  )
}

function RuleRows({ rules }: { rules: Result['rules'] }) {
  return (
    <div>
      <h3 className={heading}>{t('console.backtest.rules')}</h3>
      <ul>
        {rules.map((r) => (
          <li key={r.name} className="flex items-center justify-between gap-4 border-b border-line py-2 text-sm">
            <span className="font-medium">{r.name}</span>
            <span className={cx('figures', r.leads_matched === 0 ? 'text-lost' : 'text-soft')}>{r.leads_matched === 0 ? t('console.backtest.noMatch') : t('console.backtest.matched', { count: r.leads_matched, offers: count(r.offers) })}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Changes({ changes }: { changes: Result['changes'] }) {
  const users = useUsers().data
  const names = (ids: string[]) => ids.map((id) => users?.find((u) => u.id === id)?.name ?? '…').join(', ') || t('console.lead.nobody')
  if (!changes.length) return null
  return (
    <details>
      <summary className="inline-block min-h-6 cursor-default rounded-sm text-sm text-accent underline-offset-4 hover:underline">{t('console.backtest.list', { count: changes.length })}</summary>
      <ul className="mt-2 max-h-80 overflow-y-auto" tabIndex={0} aria-label={t('console.backtest.list', { count: changes.length })}>
        {changes.map((c, i) => (
          <li key={i} className="grid grid-cols-[auto_minmax(0,1fr)_auto] items-center gap-3 border-b border-line py-1.5 text-sm">
            <When at={c.at} className="text-soft" />
            <span className="min-w-0"><span className="text-soft">{names(c.was)}</span> <Icon name="next" className="inline size-3.5 text-faint" /> <span className="font-medium">{names(c.would)}</span></span>
            <Link to="/console/leads/$id" params={{ id: c.lead_id }} className="text-accent underline underline-offset-4">{t('console.start.test.story')}</Link>
          </li>
        ))}
      </ul>
    </details>
  )
}
