import { getRouteApi, Link, Navigate, Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useNow } from '../lib/clock'
import { follow, useLine } from '../lib/events'
import { useActs } from '../lib/keys'
import { count } from '../lib/format'
import { signOut, useMay, useMe } from '../lib/me'
import { useSession } from '../lib/session'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Empty } from '../ui/empty'
import { Icon } from '../ui/icon'
import { Menu } from '../ui/menu'
import { Sign } from '../ui/sign'
import { Rows } from '../ui/skeleton'
import { useAlarms, useFresh, useProjects, useRequests } from './data'
import { allowed, open, type Place } from './places'

const here = getRouteApi('/inside/console')
const ViewActs = lazy(() => import('./views').then((m) => ({ default: m.ViewActs })))
const Sheet = lazy(() => import('../ui/sheet').then((m) => ({ default: m.Sheet })))

/** The frame of the console: where one is, where one can go, and for which project. */
export function Console() {
  const may = useMay()
  const mine = open(may)
  const follows = !!may('events:follow')
  const path = useLocation({ select: (l) => l.pathname })
  const refused = useMe().isSuccess && !allowed(path, may)
  const [menu, show] = useState(false)
  const go = useNavigate()
  useEffect(() => (follows ? follow() : undefined), [follows])
  useEffect(() => show(false), [path])
  useActs([
    ...mine.map((p) => ({ id: p.to, words: t(p.words), keys: 'g ' + p.letter, group: t('console.nav.go'), run: () => void go({ to: p.to }) })),
    ...(may('offers:answer') ? [{ id: 'go.desk', words: t('console.nav.desk'), keys: 'g d', group: t('console.nav.go'), run: () => void go({ to: '/desk' }) }] : []),
  ])
  return (
    <div className="min-h-dvh print:!block md:grid md:grid-cols-[60px_minmax(0,1fr)] lg:grid-cols-[220px_minmax(0,1fr)]">
      <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:start-3 focus:top-3 focus:z-50 focus:rounded focus:bg-floating focus:px-3 focus:py-2">{t('console.nav.skip')}</a>
      <header className="sticky top-0 z-20 flex items-center gap-2 border-b border-line bg-ground px-2 py-1.5 md:hidden print:hidden">
        <Button look="quiet" icon="menu" aria-label={t('console.nav.menu')} onClick={() => show(true)} />
        <Sign className="size-6" />
        <span className="font-semibold">Catchment</span>
      </header>
      {menu && (
        <Suspense>
          <Sheet open onClose={() => show(false)} title={t('console.nav.menu')}>
            <Way mine={mine} wide />
          </Sheet>
        </Suspense>
      )}
      <aside className="sticky top-0 hidden h-dvh flex-col border-e border-line bg-sunken md:flex print:!hidden">
        <div className="flex items-center gap-2.5 px-[18px] pt-5 pb-3">
          <Sign className="size-6" />
          <span className="hidden text-base font-semibold tracking-tight lg:inline">Catchment</span>
        </div>
        <Way mine={mine} />
      </aside>
      {may('leads:read') && <Suspense><ViewActs /></Suspense>}
      <main id="main" className="min-w-0">{refused ? <Refused /> : <Outlet />}</main>
    </div>
  )
}

/** Somebody followed an address to a screen that their role does not have. */
function Refused() {
  return (
    <Empty whole title={t('console.nav.refused')} words={t('console.nav.refusedWords')}>
      <Link to="/" className="font-medium text-accent underline underline-offset-4">{t('nowhere.home')}</Link>
    </Empty>
  )
}

/** The first screen that the visitor may see. */
export function Begin() {
  const me = useMe()
  const may = useMay()
  const projects = useProjects(!!may('setup:read'))
  if (me.isPending || (may('setup:manage') && projects.isPending)) return <Rows tall />
  if (may('setup:manage') && projects.data?.length === 0) return <Navigate to="/console/start" replace />
  const first = open(may)[0]
  if (first) return <Navigate to={first.to} replace />
  return (
    <Empty whole title={t('console.nav.nothing')} words={t('console.nav.nothingWords')}>
      <Link to="/me" className="font-medium text-accent underline underline-offset-4">{t('me.title')}</Link>
    </Empty>
  )
}

function Way({ mine, wide }: { mine: Place[]; wide?: boolean }) {
  const name = wide ? '' : 'sr-only lg:not-sr-only'
  return (
    <>
      <Projects wide={wide} />
      <nav aria-label={t('console.nav.label')} className={cx('flex-1 overflow-y-auto', !wide && 'px-2.5 py-1')}>
        <ul className="space-y-0.5">
          {mine.map((p) => (
            <li key={p.to}>
              <Link
                to={p.to}
                activeOptions={{ exact: p.to === '/console/platform' }}
                title={t(p.words)}
                className="flex min-h-11 items-center gap-2.5 rounded px-2.5 font-medium text-soft hover:bg-hover hover:text-ink md:min-h-9"
                activeProps={{ className: 'bg-accent-ground !text-accent', 'aria-current': 'page' }}
              >
                <Icon name={p.icon} className="size-4.5" />
                <span className={name}>{t(p.words)}</span>
                {p.to === '/console/alarms' && <Waiting wide={wide} />}
                {p.to === '/console/requests' && <Due wide={wide} />}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <Self name={wide ? '' : 'hidden lg:inline'} wide={wide} />
    </>
  )
}

/** How many alarms wait for a look, as far as one page tells. */
function Waiting({ wide }: { wide?: boolean }) {
  useFresh(/^alarm\./, ['alarms'])
  const list = useAlarms().data
  const n = list?.items.length
  if (!n) return null
  return <Figure wide={wide} n={count(n) + (list.next_cursor ? '+' : '')} words={t('console.alarm.waiting', { count: n })} />
}

/** How many requests of people about their data are due within a week, or late. */
function Due({ wide }: { wide?: boolean }) {
  const now = useNow(60_000)
  const n = useRequests().data?.filter((r) => Date.parse(r.due_at) - now < 7 * 86_400_000).length
  return n ? <Figure wide={wide} n={count(n)} words={t('console.nav.requestsDue', { count: n })} /> : null
}

const Figure = ({ n, words, wide }: { n: string; words: string; wide?: boolean }) => (
  <span title={words} className={cx('figures rounded-full bg-warm-ground px-1.5 text-xs font-semibold text-warm', wide ? 'ms-auto' : '-ms-3.5 self-start lg:ms-auto lg:self-center')}>{n}<span className="sr-only"> {words}</span></span>
)

/** Which project the screens are about. */
function Projects({ wide }: { wide?: boolean }) {
  const may = useMay()
  const all = useProjects(!!may('setup:read')).data
  const { project } = here.useSearch()
  const go = useNavigate()
  if (!all || all.length === 0) return null
  const choose = (id?: string) => void go({ to: '.', search: (s: object) => ({ ...s, project: id }) as never })
  const now = all.find((p) => p.id === project)?.name ?? t('console.nav.allProjects')
  return (
    <div className={wide ? 'pb-3' : 'px-2.5 pb-2'}>
      <Menu
        trigger={
          <button type="button" aria-label={`${t('console.nav.project')}: ${now}`} title={now} className="flex min-h-11 w-full items-center gap-2.5 rounded border border-line bg-surface px-2.5 text-start text-sm hover:bg-hover md:min-h-9">
            <Icon name="home" className="size-4.5 text-faint" />
            <span className={cx('min-w-0 flex-1 truncate', !wide && 'hidden lg:inline')}>{now}</span>
            <Icon name="down" className={cx('size-4 text-faint', !wide && 'hidden lg:inline')} />
          </button>
        }
        acts={[{ words: t('console.nav.allProjects'), run: () => choose() }, null, ...all.map((p) => ({ words: p.name, run: () => choose(p.id) }))]}
      />
    </div>
  )
}

function Self({ name, wide }: { name: string; wide?: boolean }) {
  const session = useSession()
  const me = useMe().data
  const line = useLine()
  const may = useMay()
  const go = useNavigate()
  const shapes = { live: 'rounded-full bg-good', connecting: 'rounded-full border border-faint', away: 'rotate-45 bg-lost' }
  return (
    <div className={cx('border-t border-line py-2.5', !wide && 'px-2.5')}>
      {may('events:follow') && (
        <p role="status" title={t(`console.line.${line}`)} className="mb-1 flex items-center gap-2.5 px-2.5 py-1 text-xs text-soft">
          <span aria-hidden className="grid size-4.5 place-items-center"><span className={cx('size-2', shapes[line])} /></span>
          <span className={name || undefined}>{t(`console.line.${line}`)}</span>
        </p>
      )}
      <Menu
        trigger={
          <button type="button" title={session?.name} className="flex min-h-11 w-full items-center gap-2.5 rounded px-2.5 text-start hover:bg-hover">
            <span className="sr-only">{t('console.nav.self')}</span>
            <Icon name="person" className="size-4.5 text-faint" />
            <span className={cx('min-w-0 flex-1', name)}>
              <span className="block truncate text-sm font-medium">{session?.name}</span>
              <span className="block truncate text-xs text-soft">{[session?.role.startsWith('role_') ? '' : tOf('role', session?.role ?? ''), me?.account_name].filter(Boolean).join(' · ')}</span>
            </span>
          </button>
        }
        acts={[
          { words: t('me.title'), icon: 'person', run: () => void go({ to: '/me' }) },
          ...(may('offers:answer') ? [{ words: t('console.nav.desk'), icon: 'phone' as const, run: () => void go({ to: '/desk' }) }] : []),
          null,
          { words: t('console.nav.otherAccount'), icon: 'swap', run: () => void signOut() },
          { words: t('me.signOut'), icon: 'out', run: () => void signOut() },
        ]}
      />
    </div>
  )
}
