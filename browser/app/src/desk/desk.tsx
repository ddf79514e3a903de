import { useIsFetching } from '@tanstack/react-query'
import { Link, Outlet, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { useAway } from '../lib/reach'
import { t, useArea } from '../lib/words'
import { cx } from '../ui/cx'
import { Icon, type IconName } from '../ui/icon'
import { Sign } from '../ui/sign'
import { useTold } from './called'
import { keeper } from './data'
import { useLive } from './live'
import { useLocal } from './local/state'
import { PresenceSwitch } from './presence'

// After the first screen, and before anything else.
const OfferScreen = lazy(() => import('./offer').then((m) => ({ default: m.OfferScreen })))
const Line = lazy(() => useArea('desk/local').then(() => import('./local/line')))
const Gate = lazy(() => useArea('desk/local').then(() => import('./local/gate')))

/** The frame of the desk: a place for the thumb below, for the eyes above; on a desk a rail at the side. */
export function Desk() {
  useLive()
  useTold()
  useKeeper()
  const { state, entries } = useLocal()
  const away = useAway()
  const shut = state.is === 'locked' || state.is === 'over'
  const may = useMay()
  const offered = !!may('offers:answer')
  const team = !!may('reports:read')
  const stands = useStanding()
  useDeskActs(team)
  return (
    <div className="min-h-dvh md:ps-56">
      <nav aria-label={t('desk.nav.label')} className="fixed inset-y-0 start-0 z-20 hidden w-56 flex-col gap-0.5 border-e border-line bg-ground p-3 md:flex">
        <div className="mb-4 flex items-center gap-2.5 px-2 pt-2">
          <Sign className="size-6" />
          <span className="font-semibold tracking-tight">Catchment</span>
        </div>
        <Places team={team} side />
        <div className="mt-auto flex flex-col gap-2">
          <Connection />
          {offered && <PresenceSwitch />}
        </div>
      </nav>
      <header className="sticky top-0 z-20 flex items-center justify-between gap-3 border-b border-line bg-ground px-4 pt-[env(safe-area-inset-top)] md:hidden">
        <Link to="/" aria-label="Catchment" className="-ms-2 grid size-12 place-items-center"><Sign className="size-6" /></Link>
        <Connection />
        {offered ? <PresenceSwitch /> : <span className="h-14" />}
      </header>
      <div className="pb-[calc(64px+env(safe-area-inset-bottom))] md:pb-0">
        <Suspense>{(away || entries.length > 0) && !shut && <Line />}</Suspense>
        {shut ? <Suspense><Gate state={state} /></Suspense> : <Outlet />}
      </div>
      <nav aria-label={t('desk.nav.label')} className="fixed inset-x-0 bottom-0 z-20 flex border-t border-line bg-ground pb-[env(safe-area-inset-bottom)] md:hidden">
        <Places team={team} />
      </nav>
      {offered && stands && !shut && <Suspense><OfferScreen /></Suspense>}
    </div>
  )
}

function Places({ team, side }: { team: boolean; side?: boolean }) {
  const look = cx(
    'outline-none focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent',
    side ? 'flex min-h-9 items-center gap-3 rounded px-2 font-medium text-soft hover:bg-hover hover:text-ink' : 'flex h-16 flex-1 flex-col items-center justify-center gap-1 text-xs font-medium text-soft',
  )
  const here = { className: cx(look, side ? 'bg-hover text-ink!' : 'text-accent!') }
  const inside = (icon: IconName, words: string) => (
    <>
      <Icon name={icon} className={side ? 'size-4.5' : 'size-5.5'} />
      {words}
    </>
  )
  return (
    <>
      <Link to="/desk" activeOptions={{ exact: true, includeSearch: false }} className={look} activeProps={here}>{inside('home', t('desk.nav.day'))}</Link>
      <Link to="/desk/search" activeOptions={{ includeSearch: false }} className={look} activeProps={here}>{inside('search', t('desk.nav.search'))}</Link>
      {team && <Link to="/desk/team" className={look} activeProps={here}>{inside('people', t('desk.nav.team'))}</Link>}
      <Link to="/me" className={look} activeProps={here}>{inside('person', t('desk.nav.me'))}</Link>
    </>
  )
}

/** Says in the head when the server does not answer; the line below says what that means. */
function Connection() {
  if (!useAway()) return null
  return (
    <p className="flex items-center gap-1.5 px-2 text-sm whitespace-nowrap text-warm">
      <Icon name="warn" className="size-4" />
      {t('desk.away')}
    </p>
  )
}

/** Whether the first screen stands and the phone has a moment, so that what comes over it takes nothing from it; of a tapped notification it is the first. */
function useStanding() {
  const [stands, stand] = useState(() => new URLSearchParams(location.search).has('offer'))
  const busy = useIsFetching() > 0
  useEffect(() => {
    if (stands || busy) return
    if (!('requestIdleCallback' in window)) {
      const timer = setTimeout(() => stand(true), 100)
      return () => clearTimeout(timer)
    }
    const n = requestIdleCallback(() => stand(true), { timeout: 1000 })
    return () => cancelIdleCallback(n)
  }, [stands, busy])
  return stands
}

/** Once the first screen stands, what is seen is kept sealed on this device. */
function useKeeper() {
  useEffect(() => {
    const begin = () => void keeper().then((k) => k.start())
    const timer = setTimeout(begin, 1200)
    return () => clearTimeout(timer)
  }, [])
}

function useDeskActs(team: boolean) {
  const go = useNavigate()
  const group = t('desk.nav.label')
  useActs([
    { id: 'go.day', words: t('desk.nav.day'), keys: 'g d', group, run: () => void go({ to: '/desk' }) },
    { id: 'go.search', words: t('desk.nav.search'), keys: '/', group, run: () => void go({ to: '/desk/search' }) },
    ...(team ? [{ id: 'go.team', words: t('desk.nav.team'), keys: 'g t', group, run: () => void go({ to: '/desk/team' }) }] : []),
  ])
}
