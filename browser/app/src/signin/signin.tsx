import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useFarewell } from '../lib/leave'
import { useSession } from '../lib/session'
import { t } from '../lib/words'
import { SignInForm } from './form'
import { Frame } from './frame'

/** The first screen for whoever is not signed in; the address says where they wanted to go. */
export function SignIn() {
  const { to } = useSearch({ strict: false }) as { to?: string }
  const go = useNavigate()
  const session = useSession()
  const farewell = useFarewell()
  useEffect(() => {
    // Only addresses of ours: a link to us must not lead elsewhere.
    if (session) void go({ to: to?.startsWith('/') && !to.startsWith('//') ? to : '/', replace: true })
  }, [session, to, go])
  return (
    <Frame title={t('signin.title')} words={farewell && t(`local.farewell.${farewell}`)}>
      <SignInForm />
    </Frame>
  )
}
