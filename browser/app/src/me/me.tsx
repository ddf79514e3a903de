import { Link } from '@tanstack/react-router'
import { signOut, useMe } from '../lib/me'
import { useSession } from '../lib/session'
import { setTheme, type Theme, useTheme } from '../lib/theme'
import { type Language, languages, speak, t, tOf, useLanguage } from '../lib/words'
import { Button } from '../ui/button'
import { Icon } from '../ui/icon'
import { Select } from '../ui/select'
import { Devices } from './devices'
import { Factors } from './factors'
import { Pushes } from './pushes'
import { Keeping } from './keeping'
import { Section } from './section'

/** Who has a desk to keep something of. */
const worksLeads = (role?: string) => role === 'salesperson' || role === 'manager' || !!role?.startsWith('role_')

/** Oneself: where one is signed in, by what, and how the app looks. */
export function Profile() {
  const session = useSession()
  const me = useMe()
  const theme = useTheme()
  const language = useLanguage()
  const themes = (['system', 'light', 'dark'] as const).map((value) => ({ value, label: t(`me.theme.${value}`) }))
  return (
    <main className="mx-auto max-w-160 px-5 pt-[max(16px,env(safe-area-inset-top))] pb-16 md:pt-8">
      <Link to="/" className="-ms-2 inline-flex min-h-11 items-center gap-1 pe-3 text-sm font-medium text-soft hover:text-ink">
        <Icon name="back" className="size-5" />
        {t('common.back')}
      </Link>
      <h1 className="mt-2 text-xl font-semibold tracking-tight">{session?.name}</h1>
      <p className="mt-1 text-soft">
        {[tOf('role', session?.role ?? ''), me.data?.account_name].filter(Boolean).join(' · ')}
      </p>
      <Pushes />
      <Devices />
      <Factors />
      {worksLeads(session?.role) && <Keeping />}
      <Section title={t('me.looks')}>
        <div className="grid gap-4 md:grid-cols-2">
          <Select<Theme> label={t('me.theme.label')} value={theme} onChange={setTheme} choices={themes} />
          <Select<Language> label={t('me.language')} value={language} onChange={(l) => void speak(l)} choices={Object.entries(languages).map(([value, label]) => ({ value: value as Language, label }))} />
        </div>
      </Section>
      <Button wide icon="out" className="mt-10" onClick={() => void signOut()}>{t('me.signOut')}</Button>
    </main>
  )
}
