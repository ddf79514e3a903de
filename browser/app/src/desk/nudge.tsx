import { Link } from '@tanstack/react-router'
import { canPasskey } from '../lib/passkey'
import { session, useSession } from '../lib/session'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Icon } from '../ui/icon'

/** Once after signing in without one: a passkey would be quicker. "Not now" is heard until the next sign-in. */
export function Nudge() {
  const offers = useSession()?.offers ?? []
  if (!offers.includes('passkey') || !canPasskey()) return null
  return (
    <aside className="mx-4 mt-4 flex flex-wrap items-center gap-x-4 gap-y-2 rounded-lg border border-line bg-surface px-4 py-3">
      <Icon name="key" className="size-6 text-accent" />
      <div className="min-w-48 flex-1">
        <h2 className="font-semibold">{t('desk.nudge.title')}</h2>
        <p className="text-sm text-soft">{t('desk.nudge.words')}</p>
      </div>
      <div className="flex gap-1">
        <Button look="quiet" onClick={() => session.renew({ offers: [] })}>{t('desk.nudge.not')}</Button>
        <Button render={<Link to="/me" />} nativeButton={false}>{t('desk.nudge.make')}</Button>
      </div>
    </aside>
  )
}
