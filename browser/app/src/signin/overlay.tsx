import { Dialog as Base } from '@base-ui/react/dialog'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok } from '../lib/api'
import { useAsked } from '../lib/asking'
import { signOut } from '../lib/me'
import { session } from '../lib/session'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { FactorForm } from './factor'
import { SignInForm } from './form'
import { Frame } from './frame'
import { FirstFactor } from './enrol'

/** Stands over the page while the server asks for more than the session has. */
export function Overlay() {
  const asked = useAsked()
  const [stepBySignIn, signInInstead] = useState(false)
  if (!asked) return null
  const finish = (good: boolean) => {
    signInInstead(false)
    asked.done(good)
  }
  if (asked.what === 'stepUp' && !stepBySignIn) {
    return (
      <Dialog open onClose={() => finish(false)} title={t('factor.stepUp')} words={t('factor.stepUpWords')}>
        <FactorForm onDone={() => finish(true)} onNone={() => signInInstead(true)} />
      </Dialog>
    )
  }
  return (
    <Base.Root open modal>
      <Base.Portal>
        <Base.Popup className="fixed inset-0 z-50 overflow-y-auto bg-ground outline-none" aria-label={t('signin.again')}>
          {asked.what === 'secondFactor' ? <Second onDone={() => finish(true)} /> : <Again onDone={() => finish(true)} />}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}

function Again({ onDone }: { onDone: () => void }) {
  const [was] = useState(() => session.get()?.user_id)
  const done = () => {
    // Somebody else: nothing of the page below is theirs.
    if (session.get()?.user_id !== was) location.assign('/app/')
    else onDone()
  }
  return (
    <Frame title={t('signin.again')} words={t('signin.againWords')}>
      <SignInForm onDone={done} />
    </Frame>
  )
}

function Second({ onDone }: { onDone: () => void }) {
  const factors = useQuery({ queryKey: ['me', 'factors'], queryFn: () => ok(api.GET('/v1/me/factors')), staleTime: 0 })
  const [sending, send] = useState(false)
  const [must, decide] = useState<boolean>()
  // Decided once: setting one up changes the answer while its recovery codes are still on the screen.
  if (factors.data && must === undefined) decide(factors.data.limited && !factors.data.needs?.length)
  return (
    <Frame title={must ? t('factor.enrol') : t('factor.title')} words={must ? t('factor.enrolWords') : t('factor.words')}>
      {must ? <FirstFactor onDone={onDone} /> : <FactorForm onDone={onDone} onNone={() => void signOut()} />}
      <Button look="quiet" wide className="mt-4" busy={sending} onClick={() => { send(true); void signOut().then(() => location.assign('/app/sign-in')) }}>{t('me.signOut')}</Button>
    </Frame>
  )
}
