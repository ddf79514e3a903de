import { Link } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { install, useInstallable } from '../lib/install'
import { useMay } from '../lib/me'
import { canPasskey } from '../lib/passkey'
import { ability, installed, turnOn, wanted } from '../lib/push'
import { decline, declined } from '../lib/declined'
import { session, useSession } from '../lib/session'
import { t } from '../lib/words'
import { sayNoPush } from '../me/pushes'
import { Button } from '../ui/button'
import { Icon, type IconName } from '../ui/icon'

const month = 30 * 86_400_000
const notNow = (what: string) => Date.now() - Number(localStorage.getItem(declined(what)) ?? 0) < month

/** What would make the app better here, one thing at a time; "Not now" is heard for a month, of the passkey until the next sign-in. */
export function Nudge() {
  const offers = useSession()?.offers ?? []
  const may = useMay()
  const installable = useInstallable()
  const [, draw] = useState(0)
  const again = () => draw((n) => n + 1)
  const not = (what: string) => {
    decline(what)
    again()
  }
  if (offers.includes('passkey') && canPasskey()) {
    return (
      <Hint icon="key" title={t('desk.nudge.title')} words={t('desk.nudge.words')} onNot={() => session.renew({ offers: [] })}>
        <Button render={<Link to="/me" />} nativeButton={false}>{t('desk.nudge.make')}</Button>
      </Hint>
    )
  }
  const told = may('offers:answer') || may('leads:read') === 'all'
  if (told && ability() === 'can' && !wanted() && !notNow('push')) return <PushHint alarms={may('leads:read') === 'all'} onDone={again} onNot={() => not('push')} />
  if ((installable || ability() === 'home') && !installed() && !notNow('install')) {
    return (
      <Hint icon="device" title={t('desk.nudge.install')} words={t(installable ? 'desk.nudge.installWords' : 'desk.nudge.installByHand')} onNot={() => not('install')}>
        {installable && <Button onClick={() => void install()}>{t('desk.nudge.add')}</Button>}
      </Hint>
    )
  }
  return null
}

function PushHint({ alarms, onDone, onNot }: { alarms: boolean; onDone: () => void; onNot: () => void }) {
  const [busy, work] = useState(false)
  const on = () => {
    work(true)
    void turnOn(alarms)
      .catch(sayNoPush)
      .finally(() => {
        work(false)
        onDone()
      })
  }
  return (
    <Hint icon="bell" title={t('desk.nudge.push')} words={t('desk.nudge.pushWords')} onNot={onNot}>
      <Button busy={busy} onClick={on}>{t('desk.nudge.turnOn')}</Button>
    </Hint>
  )
}

function Hint({ icon, title, words, onNot, children }: { icon: IconName; title: string; words: string; onNot: () => void; children?: ReactNode }) {
  return (
    <aside className="mx-4 mt-4 flex flex-wrap items-center gap-x-4 gap-y-2 rounded-lg border border-line bg-surface px-4 py-3">
      <Icon name={icon} className="mt-0.5 size-6 self-start text-accent" />
      <div className="min-w-48 flex-1">
        <h2 className="font-semibold text-wrap">{title}</h2>
        <p className="text-sm text-soft">{words}</p>
      </div>
      <div className="ms-auto flex gap-1">
        <Button look="quiet" onClick={onNot}>{t('desk.nudge.not')}</Button>
        {children}
      </div>
    </aside>
  )
}
