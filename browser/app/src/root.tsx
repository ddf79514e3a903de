import { Link, Outlet, useLocation, useNavigate, useRouter } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useState } from 'react'
import { faultOf } from './lib/fault'
import { useActs } from './lib/keys'
import { setUnsent, signOut, useLeavingAsked } from './lib/me'
import { useSession } from './lib/session'
import { setTheme, useTheme } from './lib/theme'
import { speak, t, useArea, useLanguage } from './lib/words'
import { onTold } from './lib/worker'
import { Button } from './ui/button'
import { Empty } from './ui/empty'
import { Newer } from './ui/newer'
import { faultWords } from './ui/toast'

const Palette = lazy(() => import('./ui/palette').then((m) => ({ default: m.Palette })))
const AllKeys = lazy(() => import('./ui/palette').then((m) => ({ default: m.AllKeys })))
const Leaving = lazy(() => useArea('desk/local').then(() => import('./ui/leaving')))

setUnsent(async () => (await import('./desk/local/keeper')).unsent())

export function Root() {
  const language = useLanguage()
  const [open, show] = useState<'palette' | 'keys' | null>(null)
  useOwnActs(show)
  useLeaving()
  useOpening()
  const unsent = useLeavingAsked()
  return (
    <div key={language}>
      <Outlet />
      <Newer />
      {unsent > 0 && <Suspense><Leaving unsent={unsent} /></Suspense>}
      {open && (
        <Suspense>
          {open === 'palette' ? <Palette open onClose={() => show(null)} /> : <AllKeys open onClose={() => show(null)} />}
        </Suspense>
      )}
    </div>
  )
}

/** Signed out, here or in another tab: nothing stays on the screen. */
function useLeaving() {
  const session = useSession()
  const path = useLocation({ select: (l) => l.pathname })
  const go = useNavigate()
  useEffect(() => {
    if (!session && path !== '/sign-in' && path !== '/join') void go({ to: '/sign-in', replace: true })
  }, [session, path, go])
}

/** A notification was tapped while the app was open. */
function useOpening() {
  const go = useNavigate()
  useEffect(
    () =>
      onTold((m) => {
        if (m.kind !== 'open') return
        if (m.about === 'offer') void go({ to: '/desk', search: { offer: m.id } })
        else if (m.about === 'alarm') void go({ to: '/desk/team' })
        else if (m.about === 'test') void go({ to: '/me' })
      }),
    [go],
  )
}

function useOwnActs(show: (what: 'palette' | 'keys') => void) {
  const session = useSession()
  const theme = useTheme()
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches)
  const language = useLanguage()
  const go = useNavigate()
  const group = t('palette.app')
  useActs([
    { id: 'palette', words: t('palette.title'), keys: '.', run: () => show('palette') },
    { id: 'keys', words: t('keys.title'), keys: '?', group, run: () => show('keys') },
    { id: 'theme', words: dark ? t('palette.light') : t('palette.dark'), group, run: () => setTheme(dark ? 'light' : 'dark') },
    { id: 'language', words: language === 'en' ? 'العربية' : 'English', group, run: () => void speak(language === 'en' ? 'ar' : 'en') },
    ...(session
      ? [
          { id: 'go.me', words: t('me.title'), keys: 'g p', group, run: () => void go({ to: '/me' }) },
          { id: 'out', words: t('me.signOut'), group, run: () => void signOut() },
        ]
      : []),
  ])
}

export const Nowhere = () => <main className="pt-16"><Missing /></main>

/** What an address inside a screen leads to when it is gone, or never was. */
export function Missing() {
  return (
    <Empty whole title={t('nowhere.title')} words={t('nowhere.words')}>
      <Link to="/" className="font-medium text-accent underline underline-offset-4">{t('nowhere.home')}</Link>
    </Empty>
  )
}

export function Broken({ error }: { error: unknown }) {
  const router = useRouter()
  const said = faultWords(faultOf(error))
  return (
    <main className="pt-16">
      <Empty whole title={said.title} words={said.words}>
        <Button look="primary" onClick={() => void router.invalidate()}>{t('common.again')}</Button>
      </Empty>
    </main>
  )
}
