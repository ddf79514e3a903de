import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useAge } from '../../lib/kept'
import { ago, when } from '../../lib/format'
import { useNow } from '../../lib/clock'
import { useAway } from '../../lib/reach'
import { t } from '../../lib/words'
import { Button } from '../../ui/button'
import { cx } from '../../ui/cx'
import { Icon, type IconName } from '../../ui/icon'
import { Sheet } from '../../ui/sheet'
import { contentOf } from './content'
import { drop, flush, isGivenUp, retry } from './outbox'
import { type Entry, type State, useLocal } from './state'

/** Below the head, while the server is away or something waits to be sent: what is shown is how old, and what was done is where. */
export default function Line() {
  const away = useAway()
  const { state, entries } = useLocal()
  const [open, show] = useState(false)
  const refused = entries.filter((e) => e.refused).length
  const waiting = entries.length - refused
  if (!away && entries.length === 0 && !open) return null
  return (
    <>
      <div role="status" className={cx('flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 border-b px-4 py-2 text-sm', away || refused ? 'border-transparent bg-warm-ground text-warm' : 'border-line text-soft')}>
        <Icon name={away || refused ? 'warn' : 'clock'} className="size-5" />
        <p className="min-w-40 flex-1">{away ? <Away state={state} /> : refused ? t('desk.local.refused', { count: refused }) : t('desk.local.sending')}</p>
        {entries.length > 0 && (
          <Button look="quiet" className="-my-1 text-inherit" aria-haspopup="dialog" onClick={() => show(true)}>
            {refused && away ? t('desk.local.refused', { count: refused }) : refused ? t('desk.local.look') : t('desk.local.waiting', { count: waiting })}
          </Button>
        )}
      </div>
      <Sheet open={open} onClose={() => show(false)} title={t('desk.local.title')} actions={waiting > 0 && !away ? <Button icon="swap" onClick={() => void flush()}>{t('desk.local.now')}</Button> : undefined}>
        {entries.length === 0 ? <p className="text-soft">{t('desk.local.none')}</p> : <p className="mb-3 text-sm text-soft">{t('desk.local.words')}</p>}
        <ul className="divide-y divide-line">{entries.map((e) => <Waiting key={e.id} entry={e} onLeave={() => show(false)} />)}</ul>
      </Sheet>
    </>
  )
}

function Away({ state }: { state: State }) {
  const at = useAge()
  const now = useNow(30_000)
  if (state.is === 'none' && state.why !== 'away') return <><b>{t('desk.away')}.</b> {t(`desk.local.why.${state.why}`)}</>
  return (
    <>
      <b>{t('desk.away')}.</b> {at ? t('desk.local.age', { ago: ago(now - at) }) : t('desk.local.stands')}
    </>
  )
}

const signs: Record<Entry['kind'], IconName> = { attempt: 'phone', result: 'phone', note: 'note', next: 'clock', stage: 'flag', visit: 'home', visited: 'home' }

function Waiting({ entry: e, onLeave }: { entry: Entry; onLeave: () => void }) {
  const known = e.refused && (e.refused.code === 'lead_passed_on' || e.refused.code === 'superseded') ? e.refused.code : undefined
  const words = known ?? (isGivenUp(e) ? 'givenUp' : undefined)
  return (
    <li className="flex gap-3.5 py-3">
      <Icon name={e.refused ? 'warn' : signs[e.kind]} className={cx('mt-0.5 size-5', e.refused ? 'text-lost' : 'text-faint')} />
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-baseline justify-between gap-x-3">
          <span className="font-medium wrap-anywhere">{t(`desk.local.kind.${e.kind}`)}{e.who && ` · ${e.who}`}</span>
          <span className="text-sm text-soft">{when(e.at)}</span>
        </p>
        <p dir="auto" className="match mt-0.5 whitespace-pre-line text-soft wrap-anywhere">{contentOf(e)}</p>
        {e.refused && (
          <>
            <p role="alert" className="mt-1.5 text-sm text-lost wrap-anywhere">{words ? t(`desk.local.refusal.${words}`) : (e.refused.detail ?? e.refused.title)}</p>
            <div className="-ms-3.5 mt-1 flex flex-wrap">
              <Button look="quiet" nativeButton={false} render={<Link to="/desk/leads/$id" params={{ id: e.lead }} onClick={onLeave} />}>{t('desk.local.open')}</Button>
              {!known && <Button look="quiet" onClick={() => void retry(e)}>{t('desk.local.again')}</Button>}
              <Button look="quiet" onClick={() => void drop(e.id)}>{t('desk.local.drop')}</Button>
            </div>
          </>
        )}
      </div>
    </li>
  )
}
