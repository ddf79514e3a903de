import { lazy, Suspense, useState } from 'react'
import { useActs } from '../lib/keys'
import { useMe } from '../lib/me'
import { t, tOf } from '../lib/words'
import { cx } from '../ui/cx'
import { Icon } from '../ui/icon'
import { type Presence, usePresence } from './data'

const Choices = lazy(() => import('./presences').then((m) => ({ default: m.Choices })))

/** Whether one gets offers: one tap between available and away, the others behind the arrow. */
export function PresenceSwitch() {
  const me = useMe()
  const set = usePresence()
  const [choosing, choose] = useState(false)
  const [chosen, was] = useState(false) // the sheet is loaded when it is first wanted
  const now = me.data?.presence
  const there = now === 'available'
  const flip = () => set.mutate(there ? 'away' : 'available')
  useActs([{ id: 'presence', words: there ? t('desk.presence.leave') : t('desk.presence.come'), keys: 'g a', group: t('desk.nav.label'), run: flip }])
  if (!now) return <span className="h-14 md:h-9" />
  return (
    <div className={cx('my-1.5 flex h-11 items-stretch rounded-full border md:my-0 md:h-9', there ? 'border-transparent bg-good-ground text-good' : 'border-line text-soft')}>
      <button
        type="button"
        aria-pressed={there}
        onClick={flip}
        title={there ? t('desk.presence.leave') : t('desk.presence.come')}
        className="flex flex-1 items-center gap-2 rounded-s-full ps-4 pe-2 text-sm font-semibold whitespace-nowrap outline-none focus-visible:outline-2 focus-visible:outline-accent"
      >
        <Mark state={now} />
        {tOf('desk.presence.is', now)}
      </button>
      <button type="button" aria-haspopup="dialog" aria-label={t('desk.presence.choose')} onClick={() => (was(true), choose(true))} className="grid w-11 place-items-center rounded-e-full md:w-9 outline-none focus-visible:outline-2 focus-visible:outline-accent">
        <Icon name="down" className="size-4" />
      </button>
      {chosen && <Suspense><Choices now={now} open={choosing} onClose={() => choose(false)} onChoose={set.mutate} /></Suspense>}
    </div>
  )
}

/** A shape for each state: full, half, empty, crossed. */
export function Mark({ state }: { state: Presence }) {
  return (
    <svg viewBox="0 0 12 12" aria-hidden className={cx('size-3 shrink-0', state === 'available' ? 'text-good' : 'text-faint')}>
      {state === 'available' && <circle cx="6" cy="6" r="5" fill="currentColor" />}
      {state === 'engaged' && <><circle cx="6" cy="6" r="4.200" fill="none" stroke="currentColor" strokeWidth="1.600" /><path d="M6 1.800a4.200 4.200 0 0 1 0 8.400z" fill="currentColor" /></>}
      {state === 'away' && <circle cx="6" cy="6" r="4.200" fill="none" stroke="currentColor" strokeWidth="1.600" />}
      {state === 'logged-off' && <path d="M2.500 2.500l7 7M9.500 2.500l-7 7" stroke="currentColor" strokeWidth="1.600" strokeLinecap="round" />}
    </svg>
  )
}
