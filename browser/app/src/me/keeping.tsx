import { useMutation } from '@tanstack/react-query'
import { useEffect } from 'react'
import { keeper } from '../desk/data'
import { useLocal } from '../desk/local/state'
import { canPasskey, hasPasskey, NoPasskey } from '../lib/passkey'
import { t } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Icon } from '../ui/icon'
import { say, sayFault } from '../ui/toast'
import { Section } from './section'

/** What this device keeps of the work, sealed, and what opens it without the server. */
export function Keeping() {
  const { state, unlocks, entries } = useLocal()
  useEffect(() => void keeper().then((k) => k.start()), [])
  const set = useMutation({
    mutationFn: async () => (await keeper()).useUnlock(),
    onSuccess: (good) => say(good ? t('local.unlock.done') : t('local.unlock.cannot'), { kind: good ? 'good' : 'lost' }),
    onError: (e) => (e instanceof NoPasskey ? say(t('signin.passkey.none'), { kind: 'lost' }) : sayFault(e)),
  })
  const on = state.is === 'open'
  return (
    <Section title={t('local.title')} words={t('local.words')}>
      <ul className="divide-y divide-line border-y border-line">
        <li className="flex items-center gap-3.5 py-3">
          <Icon name={on ? 'lock' : 'warn'} className="size-6 text-faint" />
          <div className="min-w-0 flex-1">
            <p className="flex flex-wrap items-center gap-2 font-medium">{t('local.sealed')}{on && <Badge tone="good">{t('me.factor.on')}</Badge>}</p>
            <p className="mt-0.5 text-sm text-soft">{state.is === 'none' ? t(`local.why.${state.why}`) : on ? t('local.on', { count: entries.length }) : t('local.shut')}</p>
          </div>
        </li>
        {on && (
          <li className="flex items-center gap-3.5 py-3">
            <Icon name="key" className="size-6 text-faint" />
            <div className="min-w-0 flex-1">
              <p className="flex flex-wrap items-center gap-2 font-medium">{t('local.unlock.title')}<Badge tone={unlocks ? 'good' : 'plain'}>{unlocks ? t('me.factor.on') : t('me.factor.off')}</Badge></p>
              <p className="mt-0.5 text-sm text-soft">{canPasskey() ? t('local.unlock.words') : t('me.passkey.cannot')}</p>
            </div>
            {hasPasskey() && !unlocks && <Button busy={set.isPending} onClick={() => set.mutate()}>{t('local.unlock.set')}</Button>}
          </li>
        )}
      </ul>
    </Section>
  )
}
